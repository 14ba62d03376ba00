package mcpwire

import (
	"encoding/base64"
	"strings"
)

// This file is how a header carries any text (SEP-2243): as it is where that can be,
// and else in base64 between these two.
const (
	headerPrefix = "=?base64?"
	headerSuffix = "?="
)

// EncodeHeader returns the header's value for a text.
func EncodeHeader(text string) string {
	unsafe := strings.Trim(text, " \t") != text || isEncoded(text) ||
		strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
	if !unsafe {
		return text
	}
	return headerPrefix + base64.StdEncoding.EncodeToString([]byte(text)) + headerSuffix
}

// DecodeHeader returns the text of a header's value; ok is false for one that is none.
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
