package tomltext

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
)

// odd is TOML that is valid and unusual: everything a position can trip over.
var odd = map[string]string{
	"empty":            "",
	"only a comment":   "# nothing = 1",
	"no last newline":  "a = 1",
	"blanks":           "\n\n \t a\t=\t1 \t# = 2\n",
	"CRLF":             "a = 1\r\n[t]\r\nb = \"x\" # c\r\nc = [1,\r\n 2]\r\n",
	"numbers":          "a = 1_000\nb = 0xDEAD_beef\nc = 0o17\nd = 0b1\ne = -1.5e+3\nf = +inf\ng = -nan\nh = 6.02_2e2_3",
	"dates":            "a = 1979-05-27T07:32:00Z\nb = 1979-05-27 07:32:00.5-07:00 # space\nc = 1979-05-27\nd = 07:32:00\ne = [ 1979-05-27 , 07:32:00 ]",
	"basic strings":    `a = "x # no comment" # comment` + "\n" + `b = "\" ] } = \\"` + "\n" + `c = "é \u00e9 \U0001F600"`,
	"raw strings":      `a = 'C:\dir\' # comment` + "\n" + `b = '" # ]'` + "\nc = ''\nd = \"\"",
	"long strings":     "a = \"\"\"\nb = 1 \\\n  \\\"\"\" [t]\n\"quoted\" \"\"\"\nc = 2\nd = \"\"\"x\"\"\"\"\"\ne = '''\n''x\\'''\nf = ''''y'''''\ng = \"\"\"\"\"\"",
	"quoted keys":      `"a b" = 1` + "\n" + `'c.d' = 2` + "\n" + `"\u00e9".'é2'."" = 3` + "\n" + `["t # 1"."x]"]` + "\n" + `"=" = 4`,
	"bare keys":        "1234 = 1\n3.14 = 2\ntrue = 3\na-_b = 4\ninf = 5",
	"dotted keys":      "a . b\t.c = 1\na.d = 2\na.b.e = 3\n[t.u]\nv.w = 4\nv.x = 5",
	"inline tables":    "a = {}\nb = { c = 1, d.e = { f = [ { g = 2 } , {} ] }, \"h i\" = 'x' }",
	"new inline":       "a = {\n  b = 1, # one\n  c = [ 2,\n 3, ],\n}\n",
	"arrays":           "a = []\nb = [[1, 2], [\"]\", '['], []]\nc = [ # one\n 1, # two ]\n\n 2,\n]\nd = [1, \"x\", { y = 2 }]",
	"headers":          "[ a . b ] # c\nx = 1\n[a]\ny = 2\n[a.b.c.d]\nz = 3",
	"arrays of tables": "[[a]]\nx = 1\n[a.b]\ny = 2\n[[a.c]]\nz = 3\n[[a.c]]\n[[ a ]]\nx = 4\n[[a.c]]\nz.z = 5\n[b]",
	"out of order":     "[a.b]\nx = 1\n[c]\ny = 2\n[a.d]\nz = 3\n[a]\nw = 4",
	"unicode":          "# 東京 é\ns = '東京' # 東\nt = { \"é\" = \"👍\" }",
}

func TestScanOdd(t *testing.T) {
	for name, text := range odd {
		t.Run(name, func(t *testing.T) {
			values, err := decode(text)
			if err != nil {
				t.Fatalf("the decoder refuses it: %v", err)
			}
			if err := checkMarks(text, values); err != nil {
				t.Error(err)
			}
		})
	}
}

func decode(text string) (map[string]any, error) {
	values := map[string]any{}
	_, err := toml.Decode(text, &values)
	return values, err
}

// checkMarks says whether the scanner found the same tree as the decoder, and
// whether every marked piece of text means what the decoder found there.
func checkMarks(text string, values map[string]any) error {
	s := scan(text)
	if s.tooDeep {
		return nil
	}
	if s.stopped {
		return fmt.Errorf("stopped at byte %d: %q", s.pos, text[s.pos:])
	}
	return sameTable(text, "", s.root, values)
}

func sameTable(text, path string, m *mark, values map[string]any) error {
	if len(m.table) != len(values) {
		return fmt.Errorf("%s: %d keys marked, %d decoded", path, len(m.table), len(values))
	}
	for name, v := range values {
		c := m.table[name]
		if c == nil {
			return fmt.Errorf("%s: %q is not marked", path, name)
		}
		if key := text[c.key.start:c.key.end]; key != name && unquote(key) != name {
			return fmt.Errorf("%s: %q is marked at %q", path, name, key)
		}
		if err := sameValue(text, path+"/"+name, c, v); err != nil {
			return err
		}
	}
	return nil
}

func sameValue(text, path string, m *mark, v any) error {
	switch v := v.(type) {
	case map[string]any:
		return sameTable(text, path, m, v)
	case []map[string]any:
		return sameList(text, path, m, v)
	case []any:
		return sameList(text, path, m, v)
	}
	return sameText(text, path, m, v)
}

func sameList[T any](text, path string, m *mark, list []T) error {
	if len(m.items) != len(list) {
		return fmt.Errorf("%s: %d items marked, %d decoded", path, len(m.items), len(list))
	}
	for i, v := range list {
		if err := sameValue(text, fmt.Sprintf("%s/%d", path, i), m.items[i], v); err != nil {
			return err
		}
	}
	return nil
}

// sameText decodes the marked text by itself.
func sameText(text, path string, m *mark, v any) error {
	alone := text[m.value.start:m.value.end]
	got, err := decode("v = " + alone)
	if err != nil || len(got) != 1 {
		return fmt.Errorf("%s: marked at %q: %w", path, alone, err)
	}
	// NaN differs from itself, and times hold pointers to zones.
	if fmt.Sprint(got["v"]) != fmt.Sprint(v) || reflect.TypeOf(got["v"]) != reflect.TypeOf(v) {
		return fmt.Errorf("%s: marked at %q, but is %v", path, alone, v)
	}
	return nil
}

func TestScanDepth(t *testing.T) {
	for name, text := range map[string]string{
		"lists":         "a = " + strings.Repeat("[", 1e6),
		"inline tables": "a = " + strings.Repeat("{a=", 1e5),
		"dotted key":    strings.Repeat("a.", 1e5) + "a = 1",
		"header":        "[" + strings.Repeat("a.", 1e5) + "a]",
		"mixed":         "[" + strings.Repeat("a.", 40) + "a]\n" + strings.Repeat("a.", 40) + "a = 1",
	} {
		began := time.Now()
		if s := scan(text); !s.tooDeep {
			t.Errorf("%s: not too deep", name)
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("%s: took %v", name, d)
		}
	}
}
