package mcpclient

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// hear returns what the ear passes on while the body is read through it, and fails
// the test if the reader gets anything but the body.
func hear(t *testing.T, body io.Reader, want string, ear ear) {
	t.Helper()
	got, err := io.ReadAll(&heardBody{ReadCloser: io.NopCloser(body), ear: ear})
	if err != nil || string(got) != want {
		t.Fatalf("read %q, %v, want %q", got, err, want)
	}
}

func TestEvents(t *testing.T) {
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
			var heard []string
			hear(t, reader(strings.NewReader(test.stream)), test.stream, &events{heard: func(b []byte) { heard = append(heard, string(b)) }})
			if !slices.Equal(heard, test.want) {
				t.Errorf("%s: %.80q: heard %.80q, want %.80q", name, test.stream, heard, test.want)
			}
		}
	}
}

func TestDocument(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ body, want string }{
		{"", ""}, {"{}", "{}"}, {strings.Repeat("x", maxHandle+1), ""},
	} {
		var heard string
		hear(t, iotest.HalfReader(strings.NewReader(test.body)), test.body, &document{heard: func(b []byte) { heard += string(b) }})
		if heard != test.want {
			t.Errorf("heard %.80q, want %.80q", heard, test.want)
		}
	}
}

// FuzzEvents: what is heard does not depend on how the stream was cut into reads.
func FuzzEvents(f *testing.F) {
	f.Add("data: a\r\n\r\n: c\ndata:b\ndata: c\n\ndata", 3)
	f.Add("\n\ndata:\n\n", 1)
	f.Fuzz(func(t *testing.T, stream string, size int) {
		var whole, cut []string
		hear(t, strings.NewReader(stream), stream, &events{heard: func(b []byte) { whole = append(whole, string(b)) }})

		e := &events{heard: func(b []byte) { cut = append(cut, string(b)) }}
		for chunk := range slices.Chunk([]byte(stream), max(size, 1)) {
			e.take(bytes.Clone(chunk))
		}
		e.end()
		if !slices.Equal(whole, cut) {
			t.Errorf("whole %q, cut %q", whole, cut)
		}
	})
}

// FuzzHear: no message makes the client fail otherwise than by an error.
func FuzzHear(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"result":{"resultType":"task","taskId":"a","status":"working"}}`))
	f.Add([]byte(`{"jsonrpc":"2.0","id":"1","result":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var a answer
		a.hear(data)
		if task, err := a.task(); (task == nil) == (err == nil) || task != nil && task.ID == "" {
			t.Errorf("task %+v, %v", task, err)
		}
	})
}
