package process

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/number"
	"gonum.org/v1/gonum/mat"
)

// The files of PEST: templates say where numbers go in an input, and instructions where they are in
// a text output. A value of a field is called h_2_3, because brackets mean something in instructions.
// Source: PEST++ users' manual, sections 2.3 and 2.4, https://github.com/usgs/pestpp.

// pestNames returns the index in the state of every value by its name in files of PEST, which do
// not distinguish capital letters.
func pestNames(l *sdk.Layout) map[string]int {
	all := map[string]int{}
	for i, name := range valueNames(l) {
		all[strings.ToLower(strings.TrimSuffix(strings.NewReplacer("][", "_", "[", "_").Replace(name), "]"))] = i
	}
	return all
}

// pestHeader returns the delimiter in the first line of a file that begins with kind, ptf or pif,
// or with what pestpp calls a file of JUPITER's API, and the lines after it.
func pestHeader(text, kind string) (delimiter string, lines []string, ok bool) {
	lines = strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	words := strings.Fields(lines[0])
	if len(words) != 2 || len(words[1]) != 1 || !strings.EqualFold(words[0], kind) && !strings.EqualFold(words[0], "j"+kind[1:]) {
		return "", nil, false
	}
	return words[1], lines[1:], true
}

// pestTemplate writes the text of a template file, with numbers as wide as the spaces for them.
type pestTemplate struct {
	pieces []pestPiece
	state  map[string]int
}

// pestPiece is a text and the name of the number that follows it.
type pestPiece struct {
	text  string
	name  string // empty: none
	width int
	line  int
}

// newPestTemplate returns the template in text, whose delimiter is in its first line.
func (m *model) newPestTemplate(delimiter string, lines []string) (*pestTemplate, error) {
	t := &pestTemplate{state: pestNames(m.layout.Prognostic())}
	known := m.blank().numbers(t.state)
	for i, line := range lines {
		if i > 0 {
			line = "\n" + line
		}
		parts := strings.Split(line, delimiter)
		if len(parts)%2 == 0 {
			return nil, fmt.Errorf("line %d: has a %s without a second one", i+2, delimiter)
		}
		for k := 0; k+1 < len(parts); k += 2 {
			p := pestPiece{text: parts[k], name: strings.ToLower(strings.TrimSpace(parts[k+1])), width: len(parts[k+1]) + 2, line: i + 2}
			if _, found := known[p.name]; !found {
				return nil, fmt.Errorf("line %d: there is no %s; there are variables and parameters, h_2_3 for a value of a field, and %s",
					p.line, strings.TrimSpace(parts[k+1]), strings.Join(callNames, ", "))
			}
			t.pieces = append(t.pieces, p)
		}
		t.pieces = append(t.pieces, pestPiece{text: parts[len(parts)-1]})
	}
	return t, nil
}

// callNames are the numbers of a call that a template of PEST may have.
var callNames = []string{"from", "to", "interval", "cycle", "member", "seed"}

// numbers returns the numbers of a task for one member by their names in files of PEST.
func (t *task) numbers(state map[string]int) map[string]any {
	values, all := t.values(), map[string]any{}
	for _, name := range callNames {
		all[name] = values[name]
	}
	if t.params != nil {
		maps.Copy(all, t.params[0])
	}
	for name, i := range state {
		all[name] = plain(t.states.At(0, i))
	}
	return all
}

func (c *pestTemplate) encode(w io.Writer, t *task) error {
	values := t.numbers(c.state)
	for _, p := range c.pieces {
		text := p.text
		if p.name != "" {
			number, err := fitted(values[p.name], p.width)
			if err != nil {
				return fmt.Errorf("line %d: %s %w", p.line, p.name, err)
			}
			text += number
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return nil
}

func (*pestTemplate) decode(io.Reader, *task, *mat.Dense) error {
	return errors.New("a template says nothing about results")
}

// tooFar is by how much of it a number may change that has little room: two digits are enough.
const tooFar = 0.05

// fitted returns a number with as many digits as there is room for, to the right of width
// characters. It has a point, without which some programs take the last digits for decimals.
// A number of which too little is left, as of -0.0012 in "-.0", does not fit.
func fitted(value any, width int) (string, error) {
	v, real := value.(plain)
	if !real { // a whole number such as that of the member
		return padded(fmt.Sprint(value), width)
	}
	x := float64(v)
	best, distance := "", math.Inf(1)
	consider := func(text string) {
		if !strings.ContainsAny(text, ".en") {
			text += "."
		}
		if sign, rest, found := strings.Cut(text, "0."); found && len(text) > width && strings.Trim(sign, "-") == "" {
			text = sign + "." + rest
		}
		if got, err := number.Parse(text); err == nil && len(text) <= width && math.Abs(got-x) < distance {
			best, distance = text, math.Abs(got-x)
		}
	}
	consider(string(number.Append(nil, x)))
	for digits := 17; digits >= 0 && distance > 0; digits-- {
		consider(strconv.FormatFloat(x, 'f', digits, 64))
		mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(x, 'e', digits, 64), "e")
		sign := strings.TrimPrefix(exponent[:1], "+")
		consider(mantissa + "e" + sign + strings.TrimLeft(exponent[1:], "0"))
	}
	if best == "" || distance > tooFar*math.Abs(x) {
		return "", tooWide(v, width)
	}
	return padded(best, width)
}

func padded(text string, width int) (string, error) {
	if len(text) > width {
		return "", tooWide(text, width)
	}
	return strings.Repeat(" ", width-len(text)) + text, nil
}

func tooWide(number any, width int) error {
	return unfit{fmt.Errorf("= %v does not fit into %s; 24 hold all of any number", number, plural(width, "character"))}
}

// instructions say where values of a state are in a text.
type instructions struct {
	lines  []instructionLine
	values []int // of the state, in the order in which they are found
}

// instructionLine leads to one line of the text, and through it.
type instructionLine struct {
	number int // in the file, for messages
	items  []instruction
}

// instruction is one item of a line. Kinds are l (lines forward), @ (a marker), w (whitespace),
// t (a column), and those of values: ! (not fixed), [ (fixed) and ( (semi-fixed).
type instruction struct {
	kind     byte
	text     string // of a marker, or what is written
	from, to int    // columns from 1; lines or column of l and t
	dummy    bool   // a value that nobody wants
}

// newInstructions returns the instructions in text for a state with values of these names.
func newInstructions(text string, state map[string]int) (*instructions, error) {
	delimiter, lines, ok := pestHeader(text, "pif")
	if !ok {
		return nil, errors.New("line 1: want pif and the character around markers, such as pif @")
	}
	ins := &instructions{}
	for i, line := range lines {
		items, err := itemsOf(line, delimiter)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+2, err)
		}
		if len(items) == 0 {
			continue
		}
		parsed := instructionLine{number: i + 2}
		continues := items[0] == "&"
		if continues {
			items = items[1:]
		}
		for _, item := range items {
			in, name, err := newInstruction(item, delimiter)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", i+2, err)
			}
			if name != "" && !in.dummy {
				at, found := state[strings.ToLower(name)]
				if !found {
					return nil, fmt.Errorf("line %d: there is no variable %s; a value of a field is called h_2_3, and dum is read for nothing", i+2, name)
				}
				ins.values = append(ins.values, at)
			}
			parsed.items = append(parsed.items, in)
		}
		switch {
		case continues && len(ins.lines) == 0:
			return nil, fmt.Errorf("line %d: & continues no line", i+2)
		case continues:
			last := &ins.lines[len(ins.lines)-1]
			last.items = append(last.items, parsed.items...)
			continue
		case !strings.ContainsRune("l@", rune(parsed.items[0].kind)):
			return nil, fmt.Errorf("line %d: begins with %s, want lines forward such as l1, a marker, or &", i+2, items[0])
		}
		ins.lines = append(ins.lines, parsed)
	}
	return ins, nil
}

// itemsOf splits a line at blanks that are not in markers.
func itemsOf(line, delimiter string) (items []string, err error) {
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		end := strings.IndexAny(line, " \t")
		if strings.HasPrefix(line, delimiter) {
			if end = strings.Index(line[1:], delimiter); end < 0 {
				return nil, fmt.Errorf("%s has no second %s", line, delimiter)
			}
			end += 2
		}
		if end < 0 {
			end = len(line)
		}
		items, line = append(items, line[:end]), line[end:]
	}
	return items, nil
}

// newInstruction returns an item, with the name of its value.
func newInstruction(item, delimiter string) (in instruction, name string, err error) {
	in = instruction{kind: item[0], text: item}
	count := func(text string) int {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return 0
		}
		return n
	}
	switch {
	case strings.HasPrefix(item, delimiter):
		if in.kind, in.text = '@', strings.Trim(item, delimiter); in.text != "" {
			return in, "", nil
		}
	case strings.EqualFold(item, "w"):
		in.kind = 'w'
		return in, "", nil
	case strings.ContainsRune("lLtT", rune(in.kind)):
		in.kind = strings.ToLower(item)[0]
		if in.from = count(item[1:]); in.from > 0 {
			return in, "", nil
		}
	case in.kind == '!' && len(item) > 2 && strings.HasSuffix(item, "!"):
		name = item[1 : len(item)-1]
		in.dummy = strings.EqualFold(name, "dum")
		return in, name, nil
	case in.kind == '[' || in.kind == '(':
		name, columns, found := strings.Cut(item[1:], map[byte]string{'[': "]", '(': ")"}[in.kind])
		from, to, _ := strings.Cut(columns, ":")
		if in.from, in.to = count(from), count(to); found && name != "" && in.from > 0 && in.to >= in.from {
			in.dummy = strings.EqualFold(name, "dum")
			return in, name, nil
		}
	}
	return in, "", fmt.Errorf("got %s, want a marker between two %s, l1, w, t5, !x!, [x]1:8 or (x)1:8", item, delimiter)
}

// span is where a value is in a text.
type span struct {
	from, to int
	width    int // of what replaces it, also where a line ends before that; 0: any
}

// find returns where the values of ins are in text, in their order.
func (ins *instructions) find(text string) ([]span, error) {
	s := &scanner{text: text}
	for start := 0; start < len(text); {
		length := strings.IndexByte(text[start:], '\n')
		if length < 0 {
			length = len(text) - start
		}
		end := start + length
		s.lines = append(s.lines, [2]int{start, start + len(strings.TrimSuffix(text[start:end], "\r"))})
		start = end + 1
	}
	s.line = -1
	var found []span
	for _, l := range ins.lines {
		for i := 0; i < len(l.items); i++ {
			in := l.items[i]
			var err error
			switch {
			case i == 0 && in.kind == '@':
				i, err = s.seek(l.items)
			default:
				var at span
				if at, err = s.step(in, l.items[i+1:]); err == nil && at.to > 0 && !in.dummy {
					found = append(found, at)
				}
			}
			if err != nil {
				return nil, fmt.Errorf("line %d of its instructions, %s: %w", l.number, in.shown(), err)
			}
		}
	}
	return found, nil
}

func (in instruction) shown() string {
	if in.kind == '@' {
		return fmt.Sprintf("%q", in.text)
	}
	return in.text
}

// scanner is a place in a text.
type scanner struct {
	text  string
	lines [][2]int // first byte, and the one after the last
	line  int      // from 0; -1: before the first
	next  int      // byte of the line that has not been read, from 0
}

// seek goes to the next line with all markers at the beginning of items, and returns the last of them.
func (s *scanner) seek(items []instruction) (last int, err error) {
	markers := 1
	for markers < len(items) && items[markers].kind == '@' {
		markers++
	}
lines:
	for s.line+1 < len(s.lines) {
		s.line, s.next = s.line+1, 0
		for _, marker := range items[:markers] {
			if !s.pass(marker.text) {
				continue lines
			}
		}
		return markers - 1, nil
	}
	return 0, errors.New("there is no such line")
}

// pass goes behind the next occurrence of a text in the line.
func (s *scanner) pass(text string) bool {
	i := strings.Index(s.rest(), text)
	if i >= 0 {
		s.next += i + len(text)
	}
	return i >= 0
}

// current returns the line, and rest what of it has not been read.
func (s *scanner) current() string { return s.text[s.lines[s.line][0]:s.lines[s.line][1]] }
func (s *scanner) rest() string    { return s.current()[min(s.next, len(s.current())):] }

// between are the characters between numbers.
const between = " \t,"

// step follows an instruction that others come after, and returns the place of its value; its end is 0 if it has none.
func (s *scanner) step(in instruction, after []instruction) (span, error) {
	if in.kind == 'l' {
		if s.line, s.next = s.line+in.from, 0; s.line >= len(s.lines) {
			return span{}, fmt.Errorf("there are only %s", plural(len(s.lines), "line"))
		}
		return span{}, nil
	}
	line := s.current()
	where := func(what string) error {
		return fmt.Errorf("line %d, %q, %s after column %d", s.line+1, brief(line), what, min(s.next, len(line)))
	}
	value := func(from, to int) (span, error) {
		if from < min(s.next, len(line)) {
			return span{}, where("would be read backwards")
		}
		s.next = to
		if strings.Trim(line[from:to], between) == "" {
			return span{}, where("has no number")
		}
		begin := s.lines[s.line][0]
		at := span{from: begin + from, to: begin + to}
		if in.kind == '[' {
			at.width = in.to - in.from + 1
		}
		return at, nil
	}
	switch in.kind {
	case '@':
		if !s.pass(in.text) {
			return span{}, where("does not have it")
		}
	case 'w':
		rest := s.rest()
		blank := strings.IndexAny(rest, between)
		if blank < 0 {
			return span{}, where("has no blank")
		}
		s.next += len(rest) - len(strings.TrimLeft(rest[blank:], between))
	case 't':
		if in.from <= s.next {
			return span{}, where("would be read backwards")
		}
		s.next = in.from - 1
	case '!':
		rest := strings.TrimLeft(s.rest(), between)
		from := len(line) - len(rest)
		to := len(line)
		if i := strings.IndexAny(rest, between); i >= 0 {
			to = from + i
		}
		if len(after) > 0 && after[0].kind == '@' {
			if i := strings.Index(rest, after[0].text); i >= 0 {
				to = min(to, from+i)
			}
		}
		return value(from, to)
	case '[':
		return value(min(in.from-1, len(line)), min(in.to, len(line)))
	case '(':
		from, to := min(in.from-1, len(line)), min(in.to, len(line))
		for from < to && strings.IndexByte(between, line[from]) >= 0 {
			from++
		}
		if from == to {
			return value(from, to)
		}
		from = strings.LastIndexAny(line[:from], between) + 1
		if i := strings.IndexAny(line[from:], between); i >= 0 {
			return value(from, from+i)
		}
		return value(from, len(line))
	}
	return span{}, nil
}

// instructed reads the values of instructions in a text, and can write others in their places.
type instructed struct{ *instructions }

func (c instructed) encode(io.Writer, *task) error {
	return errors.New("instructions need a text that is there")
}

func (c instructed) decode(r io.Reader, _ *task, into *mat.Dense) error {
	text, err := readText(r, boundOf(mostText, into))
	if err != nil {
		return err
	}
	found, err := c.find(text)
	if err != nil {
		return err
	}
	for k, at := range found {
		v, err := parseNumber(text[at.from:at.to])
		if err != nil {
			return err
		}
		into.Set(0, c.values[k], v)
	}
	return nil
}

// put writes the state of the member of t into the file path. Numbers that have not changed stay
// as they are.
func (c instructed) put(path string, t *task) error {
	text, err := readFile(path)
	if err != nil {
		return err
	}
	found, err := c.find(text)
	if err != nil {
		return err
	}
	var changed []byte
	end := 0
	for k, at := range found {
		if c.values[k] >= t.states.RawMatrix().Cols { // a diagnostic
			continue
		}
		v, before := t.states.At(0, c.values[k]), text[at.from:at.to]
		if old, err := parseNumber(before); err == nil && old == v {
			continue
		}
		number, err := fitted(plain(v), cmp.Or(at.width, math.MaxInt8))
		if err != nil {
			return fmt.Errorf("%s %w", valueNames(t.layout)[c.values[k]], err)
		}
		if at.width == 0 {
			number = strings.TrimSpace(number)
		}
		changed = append(append(changed, text[end:at.from]...), number...)
		end = at.to
	}
	return os.WriteFile(path, append(changed, text[end:]...), 0o644) //nolint:gosec // for the program, as all its files
}

// textFor returns the text of a template or instruction file, and the name of the file that it is
// for: its own without what it ends in.
func (m *model) textFor(where, file, ending string) (name, text string, err error) {
	name, found := strings.CutSuffix(filepath.Base(file), ending)
	if !found || name == "" {
		return "", "", config(where, "got %q, want the name of a file that ends in %s", file, ending).
			WithHint("model.txt%s is for the file model.txt of the program", ending)
	}
	if text, err = readFile(m.path(file)); err != nil {
		return "", "", config(where, "%v", err)
	}
	return name, text, nil
}
