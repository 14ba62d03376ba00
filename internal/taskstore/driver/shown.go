package driver

import "github.com/mcptasks/mcptasks/store"

// What a [Driver] reads for the operator is public.
type (
	Shown         = store.Shown
	ShownQuestion = store.ShownQuestion
	ShownStep     = store.ShownStep
	Event         = store.Event
	TimedEvent    = store.TimedEvent
	Node          = store.Node
	NodeSeen      = store.NodeSeen
	Connections   = store.Connections
	Waiting       = store.Waiting
	Job           = store.Job
)

// Kinds of [Event].
const (
	EventError     = store.EventError
	EventParked    = store.EventParked
	EventFailed    = store.EventFailed
	EventRecovered = store.EventRecovered
	EventRepaired  = store.EventRepaired
	EventCancelled = store.EventCancelled
)
