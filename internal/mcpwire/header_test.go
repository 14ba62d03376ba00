package mcpwire

import (
	"strings"
	"testing"
)

// Every text survives encoding and decoding, and every encoded text is a valid header value.
func FuzzHeader(f *testing.F) {
	for _, text := range []string{"", "0198f000-0000-7000-8000-000000000000", " a", "a\t", "☃", "a\x00b", "\xff", "a\r\nX: y", "=?base64?YQ==?=", "=?base64?=", "=?base64?"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		value := EncodeHeader(text)
		if strings.TrimSpace(value) != value || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q is %q, which is not a valid header value", text, value)
		}
		if got, ok := DecodeHeader(value); !ok || got != text {
			t.Errorf("%q was decoded as %q, %t", text, got, ok)
		}
		_, _ = DecodeHeader(text)
	})
}

func TestDecodeHeaderRejectsInvalidBase64(t *testing.T) {
	if text, ok := DecodeHeader("=?base64?task?=?="); ok {
		t.Errorf("it was decoded as %q", text)
	}
}
