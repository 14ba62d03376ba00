package riverdb

import (
	"fmt"

	"github.com/riverqueue/river/riverdriver"
)

// insertTopic is where River's producers listen for jobs in their queue, whichever
// client inserted them. The payload is River's own.
const insertTopic = "river_insert"

// JobNotifications are what notifies River's workers that there are jobs in the queues.
func JobNotifications(schema string, queues []string) *riverdriver.NotifyManyParams {
	payloads := make([]string, len(queues))
	for i, queue := range queues {
		payloads[i] = insertPayload(queue)
	}
	return &riverdriver.NotifyManyParams{Payload: payloads, Schema: schema, Topic: insertTopic}
}

func insertPayload(queue string) string { return fmt.Sprintf(`{"queue": %q}`, queue) }
