package mcpwire

import (
	"strings"
	"testing"
)

// Any text comes through a header as it was, and any header can carry it.
func FuzzHeader(f *testing.F) {
	for _, text := range []string{"", "0198f000-0000-7000-8000-000000000000", " a", "a\t", "☃", "a\x00b", "\xff", "a\r\nX: y", "=?base64?YQ==?=", "=?base64?=", "=?base64?"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		value := EncodeHeader(text)
		if strings.TrimSpace(value) != value || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q is %q, which is no header's value", text, value)
		}
		if got, ok := DecodeHeader(value); !ok || got != text {
			t.Errorf("%q came as %q, %t", text, got, ok)
		}
		_, _ = DecodeHeader(text)
	})
}

func TestDecodeHeaderThatIsNoBase64(t *testing.T) {
	if text, ok := DecodeHeader("=?base64?task?=?="); ok {
		t.Errorf("it was decoded as %q", text)
	}
}
