package tomltext

import (
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/plume-da/plume/host/internal/diag"
)

// maxDepth bounds how deep tables and lists may nest, so that nothing that walks
// a tree can run out of stack.
const maxDepth = 48

// span is a part of a text, in bytes.
type span struct{ start, end int }

func (s span) in(src *diag.Source) diag.Span { return src.Locate(s.start, s.end) }

// mark is the position of a key and its value in the text. Marks form the same tree
// as the decoded values.
type mark struct {
	key   span // the last part of the key
	value span // of a table with a header: the header
	table map[string]*mark
	items []*mark
	named bool // by a header or a value of its own, not only as a part of a longer key
}

// child returns the mark of a key. A missing mark is a bug of the scanner; the position
// of the table is then the best available.
func (m *mark) child(name string) *mark {
	if c := m.table[name]; c != nil {
		return c
	}
	return m
}

func (m *mark) item(i int) *mark {
	if i < len(m.items) {
		return m.items[i]
	}
	return m
}

// repeat is a key that is defined a second time.
type repeat struct{ first, second span }

// scanner finds the positions of all keys and values of a TOML document. It does
// not judge: on text that is not TOML it stops early, for the decoder to say
// what is wrong.
type scanner struct {
	text    string
	pos     int
	root    *mark
	repeats []repeat
	count   int  // of headers and top-level keys
	stopped bool // at pos, before the end
	open    int  // start of the innermost value that was not read to its end; 0: none
	tooDeep bool
}

func scan(text string) *scanner {
	s := &scanner{text: text, root: &mark{table: map[string]*mark{}}}
	current, depth := s.root, 0
	for {
		s.blank("\n")
		if s.stopped || s.pos == len(s.text) {
			return s
		}
		s.count++
		if s.peek() == '[' {
			current, depth = s.header()
		} else {
			s.pair(current, depth)
		}
		s.blank("")
		if c := s.peek(); c != 0 && c != '\n' {
			s.stop()
		}
	}
}

func (s *scanner) stop() { s.stopped = true }

// peek returns the next byte, or 0 at the end or after a stop.
func (s *scanner) peek() byte {
	if s.stopped || s.pos >= len(s.text) {
		return 0
	}
	return s.text[s.pos]
}

func (s *scanner) accept(token string) bool {
	if s.stopped || !strings.HasPrefix(s.text[s.pos:], token) {
		return false
	}
	s.pos += len(token)
	return true
}

func (s *scanner) expect(token string) {
	if !s.accept(token) {
		s.stop()
	}
}

// blank skips white space, comments and the bytes of also.
func (s *scanner) blank(also string) {
	for {
		c := s.peek()
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c != 0 && strings.IndexByte(also, c) >= 0:
			s.pos++
		case c == '#':
			s.pos += lengthUntil(s.text[s.pos:], "\n")
		default:
			return
		}
	}
}

// part is one part of a dotted key.
type part struct {
	name string
	span span
}

// key reads a dotted key.
func (s *scanner) key(depth int) []part {
	var parts []part
	for {
		s.blank("")
		start := s.pos
		var name string
		switch s.peek() {
		case '"', '\'':
			s.skipString(s.peek())
			name = unquote(s.text[start:s.pos])
		default:
			s.pos += lengthUntil(s.text[s.pos:], " \t\r\n.=]#\"'")
			name = s.text[start:s.pos]
		}
		if s.pos == start {
			s.stop()
			return nil
		}
		parts = append(parts, part{name, span{start, s.pos}})
		s.blank("")
		if !s.accept(".") {
			return s.bounded(parts, depth)
		}
	}
}

func (s *scanner) bounded(parts []part, depth int) []part {
	if depth+len(parts) > maxDepth {
		s.tooDeep = true
		s.stop()
	}
	if s.stopped {
		return nil
	}
	return parts
}

// header reads [a.b] or [[a.b]] and returns the table that follows it.
func (s *scanner) header() (*mark, int) {
	start := s.pos
	list := s.accept("[[")
	if !list {
		s.expect("[")
	}
	parts := s.key(0)
	s.expect("]")
	if list {
		s.expect("]")
	}
	if s.stopped {
		return s.root, 0
	}
	parent, last := s.descend(s.root, parts), parts[len(parts)-1]
	m := parent.table[last.name]
	if m == nil {
		m = &mark{key: last.span, value: span{start, s.pos}}
		parent.table[last.name] = m
	} else if !list {
		s.name(m, last.span, span{start, s.pos})
	}
	if list {
		m.items = append(m.items, &mark{key: last.span, value: span{start, s.pos}})
		m = m.items[len(m.items)-1]
	}
	m.named = true
	if m.table == nil {
		m.table = map[string]*mark{}
	}
	return m, len(parts)
}

// name gives a table that was only a part of longer keys a place of its own.
func (s *scanner) name(m *mark, key, value span) {
	if m.named {
		s.repeats = append(s.repeats, repeat{m.key, key})
		return
	}
	m.key, m.value = key, value
}

// descend returns the table that all but the last of parts lead to.
func (s *scanner) descend(m *mark, parts []part) *mark {
	for _, p := range parts[:len(parts)-1] {
		next := m.table[p.name]
		if next == nil {
			next = &mark{key: p.span, value: p.span}
			m.table[p.name] = next
		}
		if n := len(next.items); n > 0 {
			next = next.items[n-1]
		}
		if next.table == nil {
			next.table = map[string]*mark{}
		}
		m = next
	}
	return m
}

// pair reads key = value into table.
func (s *scanner) pair(table *mark, depth int) {
	parts := s.key(depth)
	s.expect("=")
	m := s.value(depth + len(parts))
	if s.stopped {
		return
	}
	last := parts[len(parts)-1]
	m.key, m.named = last.span, true
	parent := s.descend(table, parts)
	if old := parent.table[last.name]; old != nil {
		s.repeats = append(s.repeats, repeat{old.key, m.key})
		return
	}
	parent.table[last.name] = m
}

func (s *scanner) value(depth int) *mark {
	s.blank("")
	m := &mark{value: span{start: s.pos}}
	if depth > maxDepth {
		s.tooDeep = true
		s.stop()
	}
	switch c := s.peek(); c {
	case '[':
		s.list(m, depth+1)
	case '{':
		s.inline(m, depth+1)
	case '"', '\'':
		s.skipString(c)
	default: // number, boolean or date, which may hold a space
		n := lengthUntil(s.text[s.pos:], ",]}#\r\n")
		s.pos += len(strings.TrimRight(s.text[s.pos:s.pos+n], " \t"))
	}
	m.value.end = s.pos
	m.key = m.value // an item of a list has no key of its own
	if m.value.end == m.value.start {
		s.stop()
	}
	if s.stopped && s.open == 0 {
		s.open = m.value.start
	}
	return m
}

func (s *scanner) list(m *mark, depth int) {
	s.expect("[")
	for {
		s.blank("\n")
		if s.stopped || s.accept("]") {
			return
		}
		m.items = append(m.items, s.value(depth))
		s.blank("\n")
		if !s.accept(",") && s.peek() != ']' {
			s.stop()
		}
	}
}

func (s *scanner) inline(m *mark, depth int) {
	m.table = map[string]*mark{}
	s.expect("{")
	for {
		s.blank("\n")
		if s.stopped || s.accept("}") {
			return
		}
		s.pair(m, depth)
		s.blank("\n")
		if !s.accept(",") && s.peek() != '}' {
			s.stop()
		}
	}
}

// skipString skips a string in the given quotes, of one or of several lines.
func (s *scanner) skipString(quote byte) {
	q := string(quote)
	if s.accept(q + q + q) {
		s.until(q, 3, "")
		// Up to two quotes may stand before the closing three.
		for range 2 {
			s.accept(q)
		}
		return
	}
	s.expect(q)
	s.until(q, 1, "\n")
}

// until skips past n quotes in a row. In double quotes a backslash escapes the byte
// after it; a byte of barrier stops the scan.
func (s *scanner) until(quote string, n int, barrier string) {
	for {
		s.pos += lengthUntil(s.text[s.pos:], quote+`\`+barrier)
		c := s.peek()
		switch {
		case s.accept(strings.Repeat(quote, n)):
			return
		case c == 0 || strings.IndexByte(barrier, c) >= 0:
			s.stop()
			return
		case c == '\\' && quote == `"`:
			s.pos = min(s.pos+2, len(s.text))
		default:
			s.pos++
		}
	}
}

// lengthUntil returns how many bytes of text come before the first of stops.
func lengthUntil(text, stops string) int {
	if i := strings.IndexAny(text, stops); i >= 0 {
		return i
	}
	return len(text)
}

// unquote returns the name a quoted key stands for.
func unquote(quoted string) string {
	if !strings.ContainsRune(quoted, '\\') || quoted[0] == '\'' {
		return strings.Trim(quoted, quoted[:1])
	}
	var v struct{ Key string }
	if _, err := toml.Decode("key = "+quoted, &v); err != nil {
		return quoted
	}
	return v.Key
}
