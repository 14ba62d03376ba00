package mcpclient

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// readThrough reads the body through the tap, whose onMessage gets the messages. It fails
// the test if the reader gets anything but the body.
func readThrough(t *testing.T, body io.Reader, want string, tap tap) {
	t.Helper()
	got, err := io.ReadAll(&tappedBody{ReadCloser: io.NopCloser(body), tap: tap})
	if err != nil || string(got) != want {
		t.Fatalf("read %q, %v, want %q", got, err, want)
	}
}

func TestSSETap(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxHandle)
	for _, test := range []struct {
		stream string
		want   []string
	}{
		{"", nil},
		{"data: a\n\n", []string{"a"}},
		{"data:a\n\ndata:  b \n\n", []string{"a", "b"}},
		{"event: message\r\nid: 1\r\ndata: a\r\ndata: b\r\n\r\n", []string{"a\nb"}},
		{": comment\n\nid: 1\ndata:\n\ndata: a", []string{"a"}},
		{"data: " + long + "x\n\ndata: a\n\n", []string{"a"}},
		{"data: " + long[6:] + "\n\n", []string{long[6:]}},
		{"data: xxxxxx\ndata: " + long[6:] + "\n\ndata: a\n\n", []string{"a"}},
		{"id: " + long + "\ndata: b\n\ndata: a\n\n", []string{"a"}},
	} {
		for name, reader := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "halves": iotest.HalfReader, "end with data": iotest.DataErrReader,
		} {
			var got []string
			readThrough(t, reader(strings.NewReader(test.stream)), test.stream, &sseTap{onMessage: func(b []byte) { got = append(got, string(b)) }})
			if !slices.Equal(got, test.want) {
				t.Errorf("%s: %.80q: got %.80q, want %.80q", name, test.stream, got, test.want)
			}
		}
	}
}

func TestJSONTap(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ body, want string }{
		{"", ""}, {"{}", "{}"}, {strings.Repeat("x", maxHandle+1), ""},
	} {
		var got string
		readThrough(t, iotest.HalfReader(strings.NewReader(test.body)), test.body, &jsonTap{onMessage: func(b []byte) { got += string(b) }})
		if got != test.want {
			t.Errorf("got %.80q, want %.80q", got, test.want)
		}
	}
}

// FuzzSSETap checks that the messages do not depend on how the stream was cut into reads.
func FuzzSSETap(f *testing.F) {
	f.Add("data: a\r\n\r\n: c\ndata:b\ndata: c\n\ndata", 3)
	f.Add("\n\ndata:\n\n", 1)
	f.Fuzz(func(t *testing.T, stream string, size int) {
		var whole, cut []string
		readThrough(t, strings.NewReader(stream), stream, &sseTap{onMessage: func(b []byte) { whole = append(whole, string(b)) }})

		e := &sseTap{onMessage: func(b []byte) { cut = append(cut, string(b)) }}
		for chunk := range slices.Chunk([]byte(stream), max(size, 1)) {
			e.feed(bytes.Clone(chunk))
		}
		e.finish()
		if !slices.Equal(whole, cut) {
			t.Errorf("whole %q, cut %q", whole, cut)
		}
	})
}

// FuzzRecordBytes checks that any message gives a task or an error.
func FuzzRecordBytes(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"result":{"resultType":"task","taskId":"a","status":"working"}}`))
	f.Add([]byte(`{"jsonrpc":"2.0","id":"1","result":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c capture
		c.recordBytes(data)
		if task, err := c.task(); (task == nil) == (err == nil) || task != nil && task.ID == "" {
			t.Errorf("task %+v, %v", task, err)
		}
	})
}
