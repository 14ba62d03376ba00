package mcpwire

import (
	"encoding/base64"
	"strings"
)

// A header carries any text (SEP-2243): as it is if it is a valid header value, and
// otherwise in base64 between this prefix and this suffix.
const (
	headerPrefix = "=?base64?"
	headerSuffix = "?="
)

// EncodeHeader returns the header value that carries the text.
func EncodeHeader(text string) string {
	unsafe := strings.Trim(text, " \t") != text || isEncoded(text) ||
		strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
	if !unsafe {
		return text
	}
	return headerPrefix + base64.StdEncoding.EncodeToString([]byte(text)) + headerSuffix
}

// DecodeHeader returns the text that a header value carries. If the base64 in it is
// invalid, ok is false.
func DecodeHeader(value string) (text string, ok bool) {
	if !isEncoded(value) {
		return value, true
	}
	data, err := base64.StdEncoding.DecodeString(value[len(headerPrefix) : len(value)-len(headerSuffix)])
	return string(data), err == nil
}

func isEncoded(value string) bool {
	rest, ok := strings.CutPrefix(value, headerPrefix)
	return ok && strings.HasSuffix(rest, headerSuffix)
}
