package tomltext

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/diag"
)

// byName is the rule of these tests: tables are named by their key "name", and the key
// "under" lists the files that a file is laid over.
type byName struct{ found *diag.Findings }

func (byName) Prepare(tree *Node) []*Node {
	under := tree.Table["under"]
	if under == nil {
		return nil
	}
	delete(tree.Table, "under")
	return under.Items
}

func (byName) Label(item *Node) string {
	if n := item.Table["name"]; n != nil {
		return fmt.Sprint(n.Value)
	}
	return ""
}

func (r byName) UnknownLabel(item *Node, path, label string, labels []string) {
	r.found.Add("E999", item.KeyPlace(), "%s has no %s, but %v", path, label, labels)
}

func newReader() *Reader {
	found := &diag.Findings{}
	return &Reader{Noun: "letter", Rule: byName{found}, Found: found}
}

// parse returns the tree of a text without faults.
func parse(t *testing.T, text string) *Node {
	t.Helper()
	r := newReader()
	n := r.File("f", []byte(text))
	if len(*r.Found) > 0 {
		t.Fatal(r.Found.Text(false))
	}
	return n
}

// written writes files below a new folder and returns it.
func written(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// readFrom reads a file with what it includes.
func readFrom(t *testing.T, path string) (*Node, diag.Findings) {
	t.Helper()
	text, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := newReader()
	return r.File(path, text), *r.Found
}

// Files lie over those they include: of two files the later one, and what a file says
// itself, over both. A tree stands where the file does, and every value where it is
// written.
func TestFile(t *testing.T) {
	dir := written(t, map[string]string{
		"top.toml":      "\ufeff" + `under = ["sub/a.toml", "b.toml"]` + "\n[t]\nx = 1\n",
		"sub/a.toml":    "under = [\"deep.toml\"]\n[t]\nx = 2\ny = 2\nz = 2\n",
		"sub/deep.toml": "[t]\ny = 4\nu = 4\n[[l]]\nname = \"p\"\n",
		"b.toml":        "[t]\ny = 3\n[[l]]\nname = \"q\"\n",
	})
	n, found := readFrom(t, filepath.Join(dir, "top.toml"))
	if len(found) > 0 {
		t.Fatal(found.Text(false))
	}
	want := map[string]any{
		"t": map[string]any{"x": int64(1), "y": int64(3), "z": int64(2), "u": int64(4)},
		"l": []any{map[string]any{"name": "p"}, map[string]any{"name": "q"}},
	}
	if got := n.Plain(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, c := range []struct {
		want string
		path []any
	}{
		{"top.toml:1:1", nil},
		{"top.toml:3:5", []any{"t", "x"}},
		{"b.toml:2:5 (include)", []any{"t", "y"}},
		{"sub/a.toml:5:5 (include)", []any{"t", "z"}},
		{"sub/deep.toml:3:5 (include)", []any{"t", "u"}},
		{"b.toml:4:8 (include)", []any{"l", 1, "name"}},
		{"top.toml:1:1", []any{"nowhere", 3}},
	} {
		at, exact := n.Find(c.path)
		if got := strings.TrimPrefix(at.Place().Where(), dir+"/"); got != c.want || exact == slices.Contains(c.path, any("nowhere")) {
			t.Errorf("%v is at %s, exactly %v; want %s", c.path, got, exact, c.want)
		}
	}
	heights := []int{}
	for _, path := range [][]any{{"t", "u"}, {"t", "z"}, {"t", "y"}, {"t", "x"}} {
		at, _ := n.Find(path)
		heights = append(heights, at.Height())
	}
	if !slices.IsSorted(heights) || len(slices.Compact(heights)) != 4 {
		t.Errorf("heights %v", heights)
	}
}

// What cannot be included is reported where it is named, and the rest is read.
func TestFileRefuses(t *testing.T) {
	dir := written(t, map[string]string{
		"self.toml":   `under = ["./self.toml"]` + "\nx = 1",
		"circle.toml": `under = ["back.toml"]`, "back.toml": `under = ["circle.toml"]`,
		"none.toml": `under = ["missing.toml", "self.toml"]`, "folder.toml": `under = ["."]`,
		"bad.toml": `under = ["broken.toml"]` + "\nx = 1", "broken.toml": "\nx = = 1",
		"many.toml": "under = [" + strings.Repeat(`"leaf.toml", `, maxFiles) + "]", "leaf.toml": "x = 1",
		"plain.toml": "x = 1",
	})
	for name, want := range map[string]string{
		"self.toml":   `E107 self.toml:1:10 "./self.toml" includes itself`,
		"circle.toml": `E107 back.toml:1:10 (include) "circle.toml" includes itself`,
		"none.toml":   `E107 self.toml:1:10 (include) "./self.toml" includes itself` + "\n" + `E104 none.toml:1:10 cannot read the included file "missing.toml": no such file or directory`,
		"folder.toml": `E104 folder.toml:1:10 cannot read the included file ".": is not a regular file`,
		"bad.toml":    `E101 broken.toml:2:5 (include) not valid TOML: expected value but found '=' instead`,
		"many.toml":   `E103 many.toml:1:10 the letter includes more than 100 files`,
		"plain.toml":  "",
	} {
		n, found := readFrom(t, filepath.Join(dir, name))
		if got := lines(found, dir); got != want || n == nil {
			t.Errorf("%s: tree %v, found\n%s\nwant\n%s", name, n != nil, got, want)
		}
	}
}

func lines(found diag.Findings, dir string) string {
	var out []string
	for _, f := range found {
		out = append(out, fmt.Sprintf("%s %s %s", f.Code, strings.TrimPrefix(f.Where(), dir+"/"), f.Message))
	}
	return strings.Join(out, "\n")
}

func TestReadFile(t *testing.T) {
	dir := written(t, map[string]string{"long": strings.Repeat("# so long\n", maxText/5)})
	if text, err := ReadFile(filepath.Join(dir, "long")); err != nil || len(text) != maxText+1 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	for path, want := range map[string]string{dir: "is not a regular file", "/dev/zero": "is not a regular file", dir + "/none": "no such file or directory"} {
		if _, err := ReadFile(path); err == nil || err.Error() != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// Text that is not TOML at all is refused before the decoder sees it.
func TestDecodeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		strings.Repeat("# so long\n", maxText/5): "E103 f:1:1 the letter is longer than 1048576 bytes",
		"a = 1\nb = \"\xff\"":                    "E101 f:2:6 the byte 0xff is not UTF-8",
		"a = 1\x00":                              "E101 f:1:6 the control character 0x00 is not allowed",
		"a = 1\rb = 2":                           "E101 f:1:6 the control character 0x0d is not allowed",
		strings.Repeat("a.", 100) + "a = 1":      "tables and lists nest more than 48 deep",
	} {
		r := newReader()
		if n := r.File("f", []byte(text)); n != nil || !strings.HasSuffix(lines(*r.Found, ""), want) {
			t.Errorf("%.20q: %s", text, lines(*r.Found, ""))
		}
	}
}

// What the decoder says is put into words with a remedy, and placed where the trouble
// began rather than where the decoder noticed it.
func TestSyntax(t *testing.T) {
	for text, want := range map[string]string{
		"a = 1\n[t]\nb = 1\nb = 2": "E102 f:4:1 `b` is defined twice; the first one is at f:3:1; remove one of them",
		"[t]\n[s]\n[t]":            "E102 f:3:2 `t` is defined twice; the first one is at f:1:2; remove one of them",
		"a = [1,\n2\nb = 1": "E101 f:3:1 not valid TOML: expected a comma (',') or array terminator (']'), but got 'b'; " +
			"the value that is not closed begins at f:1:5; close it with ]",
		"a = \"\"\"x\n\n": "E101 f:2:1 not valid TOML: the file ends before '\"\"\"'; the value that is not closed begins at f:1:5; close it with \"\"\"",
		"a = \"x":         "E101 f:1:6 not valid TOML: the file ends before '\"'; close the quotes",
		"a = 01":          "E101 f:1:5 not valid TOML: invalid integer \"01\": cannot have leading zeroes; write the number without the zeros in front",
		"a = 1 m":         "E101 f:1:6 not valid TOML: the value ends here, but the line continues with 'm'; write one key = value per line; text goes in quotes, and a number contains no spaces, units or commas",
		"\"a\\qb\" = 1":   "E101 f:1:2 not valid TOML: invalid escape in string '\\q'; write \\\\ for a backslash, or put the text in single quotes: '...'",
	} {
		r := newReader()
		n := r.File("f", []byte(text))
		var got string
		for _, f := range *r.Found {
			got = strings.Join(slices.Concat([]string{lines(diag.Findings{f}, "")}, f.Notes, []string{f.Help}), "; ")
		}
		if n != nil || got != want {
			t.Errorf("%q: tree %v, found\n%s\nwant\n%s", text, n != nil, got, want)
		}
	}
}

func TestMerge(t *testing.T) {
	for _, c := range []struct{ name, base, over, want, found string }{
		{"tables", "[a]\nx = 1\ny = 1", "a.y = 2\na.z = 2", "[a]\nx = 1\ny = 2\nz = 2", ""},
		{"lists are replaced", "a = [1, 2]", "a = [3]", "a = [3]", ""},
		{"a table over a value", "a = 1", "a.b = 2", "a.b = 2", ""},
		{"a value over a table", "a.b = 2", "a = 1", "a = 1", ""},
		{"by label", "[[a]]\nname = \"p\"\nx = 1\n[[a]]\nname = \"q\"", "[[a]]\nname = \"r\"\n[[a]]\nname = \"p\"\ny = 2",
			"[[a]]\nname = \"p\"\nx = 1\ny = 2\n[[a]]\nname = \"q\"\n[[a]]\nname = \"r\"", ""},
		{"without labels", "[[a]]\nx = 1", "[[a]]\nname = \"p\"", "[[a]]\nname = \"p\"", ""},
		{"a table by label", "[[a]]\nname = \"p\"\nb.x = 1\n[[a]]\nname = \"q\"", "a.p.b.y = 2\na.q.z = 3",
			"[[a]]\nname = \"p\"\nb.x = 1\nb.y = 2\n[[a]]\nname = \"q\"\nz = 3", ""},
		{"an unknown label", "[[a]]\nname = \"p\"\n[[a.b]]\nname = \"q\"", "a.p.b.r.x = 1\n[a.p.b.q]\ny = 2",
			"[[a]]\nname = \"p\"\n[[a.b]]\nname = \"q\"\ny = 2", "E999 f:1:7 a.p.b has no r, but [q]"},
	} {
		var found diag.Findings
		got := Merge(byName{&found}, parse(t, c.base), parse(t, c.over))
		if want := parse(t, c.want); !reflect.DeepEqual(got.Plain(), want.Plain()) || lines(found, "") != c.found {
			t.Errorf("%s: got %v, found %s\nwant %v, %s", c.name, got.Plain(), lines(found, ""), want.Plain(), c.found)
		}
	}
	only := parse(t, "a = 1")
	if got := Merge(byName{}, nil, only); got != only {
		t.Error("over nothing is not itself")
	}
	bad := parse(t, "a.q.x = 1")
	bad.Table["a"].Table["q"].Bad = true // somebody else has reported it
	var found diag.Findings
	if Merge(byName{&found}, parse(t, "[[a]]\nname = \"p\""), bad); len(found) > 0 {
		t.Errorf("reported twice: %s", lines(found, ""))
	}
}

// Values of the command line are TOML, or else strings.
func TestValues(t *testing.T) {
	flag := Flag{Name: "--key", Example: "--key a=1"}
	for text, want := range map[string]any{
		"a=1": int64(1), "a = [1, 2]": []any{int64(1), int64(2)}, "a.b=true": map[string]any{"b": true},
		"a=word": "word", "a = two words ": "two words", "a==8/3": "=8/3", "a='x'": "x", "a=1 # x": int64(1),
		`a."b.c"=x`: map[string]any{"b.c": "x"}, "a=": "", "a=[1": "[1",
	} {
		r := newReader()
		got := r.Values(flag, []string{text}, nil, 1)
		if len(got) != 1 || len(*r.Found) > 0 || !reflect.DeepEqual(got[0].Table["a"].Plain(), want) {
			t.Errorf("%q is %v, found %s", text, got, lines(*r.Found, ""))
		} else if at := got[0].Table["a"].Place(); got[0].File() != "" || at.Where() != "--key "+text {
			t.Errorf("%q is at %s", text, at.Where())
		}
	}
	for text, want := range map[string]string{
		"a": "E105 --key a --key wants key=value", "": "E105 --key  --key wants key=value", "[a]": "E105 --key [a] --key wants key=value",
		"a=1\nb=2": "E105 --key a=1\nb=2 --key wants key=value", "a=\x01": "E101 --key a=\x01 the control character 0x01 is not allowed",
	} {
		r := newReader()
		if got := r.Values(flag, []string{text}, nil, 1); len(got) > 0 || lines(*r.Found, "") != want {
			t.Errorf("%q: got %v, found %s", text, got, lines(*r.Found, ""))
		}
	}
	r := newReader()
	low, high := r.Values(flag, []string{"a=1", "b=2"}, nil, 1), parse(t, "a = 1")
	if low[0].Height() <= high.Height() || low[1].Height() <= low[0].Height() {
		t.Error("later values do not stand higher")
	}
}

func TestNode(t *testing.T) {
	n := parse(t, "a = [{ x = 1, y = [2020-01-02, 0.5] }, 'é\"', \"\\t\"]\n[b]\nc = true\n")
	want := map[string]any{
		"a": []any{map[string]any{"x": int64(1), "y": []any{n.Table["a"].Items[0].Table["y"].Items[0].Value, 0.5}}, `é"`, "\t"},
		"b": map[string]any{"c": true},
	}
	if got := n.Plain(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if day, ok := n.Table["a"].Items[0].Table["y"].Items[0].Value.(time.Time); !ok || day.Year() != 2020 {
		t.Errorf("a date is %v", day)
	}
	c := n.Clone()
	c.Table["a"].Items[0].Table["x"].Value, c.Table["b"].Table["c"] = 2, nil
	if !reflect.DeepEqual(n.Plain(), want) {
		t.Error("a clone shares nodes")
	}
	list := n.Table["a"]
	for i, where := range map[int]string{1: "f:1:42", 2: "f:1:46"} { // the byte itself, and the whole of what has escapes
		if got := list.Items[i].Inside(list.Items[i].Value.(string), 2).Where(); got != where {
			t.Errorf("inside of item %d: %s, want %s", i, got, where)
		}
	}
	item := list.Pick(0)
	item.Table["x"].Value = 3
	if item.KeyPlace() != list.KeyPlace() || item.Place() != list.Items[0].Place() || item.Height() <= list.Height() || !reflect.DeepEqual(n.Plain(), want) {
		t.Errorf("picked: key at %s, value at %s, height %d", item.KeyPlace().Where(), item.Place().Where(), item.Height())
	}
	w := list.Wrap("k", item).Listed()
	if got := w.Items[0].Table["k"]; got != item || w.Place() != list.Place() || w.Items[0].KeyPlace() != list.KeyPlace() {
		t.Errorf("wrapped: %v at %s", got, w.Place().Where())
	}
	n.Table["b"].SetLayer("layer x")
	if got := n.Table["b"].Table["c"].Place().Where(); got != "f:3:5 (layer x)" || n.Table["b"].Height() <= list.Height() {
		t.Errorf("after SetLayer: %s", got)
	}
}

func TestWrite(t *testing.T) {
	for want, v := range map[string]any{"-inf": math.Inf(-1), "inf": math.Inf(1), "nan": math.NaN(), "true": true, "1e+300": 1e300, "8.5": 8.5, "3": int64(3), `"a\"b"`: `a"b`, `"` + strings.Repeat("x", 40) + `…"`: strings.Repeat("x", 99)} {
		if got := Show(v); got != want {
			t.Errorf("Show(%v) = %s", v, got)
		}
	}
	text, err := Encode(map[string]any{"a": map[string]any{"b": []int{1, 2}}})
	if err != nil || string(text) != "[a]\nb = [1, 2]\n" {
		t.Errorf("%s, %v", text, err)
	}
	if text, err := Inline([]any{1.0, "x"}); err != nil || string(text) != `[1.0, "x"]` {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := Inline(make(chan int)); err == nil {
		t.Error("a channel was written")
	}
	if Dotted("", "a") != "a" || Dotted("a", "b") != "a.b" {
		t.Error("wrong path")
	}
}
