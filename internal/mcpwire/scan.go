package mcpwire

import "cmp"

// Nesting limits. The SDK rejects a message that is nested deeper than 1000; the limit
// for bodies is encoding/json's own.
const (
	maxScanDepth = 64
	maxBodyDepth = 10_000
)

// A scanner reads JSON in place, without copying or decoding. It is the one reader of
// what arrives from the network before the SDK reads it. It may reject valid JSON, for
// instance if it is nested deeper than maxDepth. It never accepts invalid JSON. It does
// not check UTF-8.
//
// It is written by hand because of two properties of encoding/json. encoding/json accepts
// a repeated member and a member name in another case, so that two readers may see two
// requests in one body. And it copies each value: reading a poll takes it ten times as long
// as [ReadGet], and three and a half times as long as [ReadObject] (BenchmarkReadGet,
// BenchmarkReadObject). jsontext of encoding/json/v2 has neither fault. It is stable in the
// standard library from Go 1.27 on, and github.com/go-json-experiment/json mirrors it for
// Go 1.26. It is about as fast as this scanner, and should replace it.
type scanner struct {
	data     []byte
	at       int
	depth    int
	maxDepth int  // 0: maxScanDepth
	plain    bool // rejects what decoders may read differently: escapes, numbers that are not short integers
	spaced   bool // white space was found between the parts
	failed   bool
}

// isCompact reports whether the data is JSON without white space between its parts. It may
// return false for compact JSON, for instance if it is nested too deep.
func isCompact(data []byte) bool {
	s := scanner{data: data}
	s.value()
	return s.end() && !s.spaced
}

func (s *scanner) fail() { s.failed = true }

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.at < len(s.data); s.at++ {
		switch c := s.data[s.at]; c {
		case ' ', '\t', '\n', '\r':
			s.spaced = true
		default:
			return c
		}
	}
	return 0
}

// accept passes the character c and fails on any other.
func (s *scanner) accept(c byte) {
	if s.peek() != c || s.failed {
		s.fail()
		return
	}
	s.at++
}

// end reports whether nothing has failed and nothing is left.
func (s *scanner) end() bool { return s.peek() == 0 && s.at == len(s.data) && !s.failed }

// open enters an object or an array. The caller visits its members with
//
//	for first := true; s.more('}', &first); {
func (s *scanner) open(c byte) {
	s.accept(c)
	if s.depth++; s.depth > cmp.Or(s.maxDepth, maxScanDepth) {
		s.fail()
	}
}

// more reports whether a member or an element follows, and passes the closing
// character if none does.
func (s *scanner) more(closing byte, first *bool) bool {
	switch {
	case s.failed:
		return false
	case s.peek() == closing:
		s.at++
		s.depth--
		return false
	case !*first:
		s.accept(',')
	}
	*first = false
	return !s.failed
}

// key returns a member's key as it is written, and passes the colon.
func (s *scanner) key() []byte {
	key := s.text()
	s.accept(':')
	return key
}

// text returns the part between a string's quotes, as it is written.
func (s *scanner) text() []byte {
	s.accept('"')
	start := s.at
	for !s.failed && s.at < len(s.data) {
		switch c := s.data[s.at]; {
		case c == '"':
			s.at++
			return s.data[start : s.at-1]
		case c < ' ':
			s.fail()
		case c == '\\':
			s.escape()
		default:
			s.at++
		}
	}
	s.fail()
	return nil
}

func (s *scanner) escape() {
	if s.plain || s.at+1 >= len(s.data) {
		s.fail()
		return
	}
	switch s.data[s.at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at += 2
	case 'u':
		s.at += 2
		for range 4 {
			if s.at >= len(s.data) || !isHex(s.data[s.at]) {
				s.fail()
				return
			}
			s.at++
		}
	default:
		s.fail()
	}
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// raw returns any value as it is written.
func (s *scanner) raw() []byte {
	s.peek()
	start := s.at
	s.value()
	if s.failed {
		return nil
	}
	return s.data[start:s.at]
}

func (s *scanner) value() {
	switch c := s.peek(); c {
	case '"':
		s.text()
	case '{':
		s.open('{')
		for first := true; s.more('}', &first); {
			s.key()
			s.value()
		}
	case '[':
		s.open('[')
		for first := true; s.more(']', &first); {
			s.value()
		}
	case 't':
		s.word("true")
	case 'f':
		s.word("false")
	case 'n':
		s.word("null")
	default:
		s.number()
	}
}

func (s *scanner) word(word string) {
	if end := s.at + len(word); end > len(s.data) || string(s.data[s.at:end]) != word {
		s.fail()
		return
	}
	s.at += len(word)
}

func (s *scanner) number() {
	start := s.at
	s.optional('-')
	if !s.optional('0') {
		s.digits()
	}
	integer := s.at
	if s.optional('.') {
		s.digits()
	}
	if s.optional('e') || s.optional('E') {
		_ = s.optional('+') || s.optional('-')
		s.digits()
	}
	const exact = 15 // digits that any number type holds
	if s.plain && (s.at > integer || s.at-start > exact) {
		s.fail()
	}
}

func (s *scanner) optional(c byte) bool {
	if s.at < len(s.data) && s.data[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *scanner) digits() {
	start := s.at
	for s.at < len(s.data) && '0' <= s.data[s.at] && s.data[s.at] <= '9' {
		s.at++
	}
	if s.at == start {
		s.fail()
	}
}
