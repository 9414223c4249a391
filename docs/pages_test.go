// Package docs holds the pages of this folder to what they say: it writes the files they
// show, runs the commands they show and runs the workflows they show, in the order they
// stand in.
package docs

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plume-da/plume/sdk"
)

// A page is held to what it says block by block. What is done with a block of code
// follows from its language and from the comment above it:
//
//	sh                        run, each line must succeed
//	toml                      tables of a workflow: laid over base, and run
//	<!-- added -->            the same with the tables of the block before
//	<!-- file: PATH -->       written; a shell script or an extensionless one is made executable
//	<!-- from: PATH -->       must stand in this file, of the session or of the checkout
//	<!-- printed -->          must stand in what the block that ran last printed
//	<!-- printed: COMMAND --> must stand in what COMMAND prints
//	<!-- manifest -->         tables of a plugin.toml
//	<!-- serves: PORT -->     run in the background of the page until it answers on PORT, which stands for a free one
//	<!-- formula -->          not looked at
//	<!-- shown: WHY -->       the same
//
// An image below <!-- figure: PATH --> is this file of the session, where * stands for a name.

// made are the pages whose texts are made from the program, by tests of host/internal/cli.
var made = []string{"reference/commands.md", "troubleshooting.md"}

// pages returns the pages of the site, relative to this folder: all of it but the records of
// decisions, those of the plugins, and the README.
func pages(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("../plugins/*/README.md")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" && filepath.Dir(path) != "decisions" {
			list = append(list, path)
		}
		return err
	})
	if err != nil || len(list) < 30 {
		t.Fatalf("got %d pages (%v), want those of the site", len(list), err)
	}
	return append(list, "../README.md")
}

var update = flag.Bool("update", false, "rewrite what pages say was printed")

// base is the workflow that the tables on a page are laid over: where one of them
// stands in both, that of the page counts.
const base = `format = 1
[experiment]
name = "page"
seed = 1
[time]
cycles = 3
interval = 0.25
[model]
plugin = "lorenz63"
[truth]
init = { dist = "normal", mean = 1.0, sd = 0.1 }
[observations]
plugin = "obs-nonlinear"
error = { sd = 0.5 }
[ensemble]
size = 6
init = { dist = "normal", around = "truth", sd = 0.5 }
[[filter]]
label = "etkf"
plugin = "filter-enkf"
params = { scheme = "etkf" }
`

// block is a fenced block of code.
type block struct {
	line     int
	language string
	comment  string // the word before the colon in the comment above it
	about    string // and what is after it
	text     string
}

var figure = regexp.MustCompile(`(?m)^<!-- figure: (.+) -->\n!\[.*\]\((.+)\)$`)

var fence = regexp.MustCompile("(?ms)^(?:<!-- (\\w+)(?:: ([^\n]*?))? -->\n)?```(\\w*)\n(.*?)^```$")

func blocks(text string) []block {
	var list []block
	for _, m := range fence.FindAllStringSubmatchIndex(text, -1) {
		part := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return text[m[2*i]:m[2*i+1]]
		}
		list = append(list, block{1 + strings.Count(text[:m[0]], "\n"), part(3), part(1), part(2), part(4)})
	}
	return list
}

func TestPages(t *testing.T) {
	python := os.Getenv("PLUME_PYTHON")
	if python == "" {
		t.Skip("NOT TESTED: PLUME_PYTHON does not name a python with plume's kit and umbridge; make test sets it")
	}
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin, "../host/cmd/plume").CombinedOutput(); err != nil {
		t.Fatalf("building plume: %v\n%s", err, out)
	}
	checkout, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages(t) {
		t.Run(page, func(t *testing.T) {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			s := &session{t: t, page: page, checkout: checkout, dir: t.TempDir(), path: bin + ":" + filepath.Dir(python) + ":" + os.Getenv("PATH"), ports: map[string]string{}}
			all := blocks(string(text))
			if want := strings.Count(string(text), "\n```"); 2*len(all) != want {
				t.Fatalf("%s has %d fences, but %d blocks were found", page, want, len(all))
			}
			for _, b := range all {
				s.serve(b)
			}
			for _, b := range all {
				if !t.Failed() {
					s.do(b)
				}
			}
			for _, m := range figure.FindAllStringSubmatch(string(text), -1) {
				s.figure(m[1], filepath.Join(filepath.Dir(page), m[2]))
			}
		})
	}
}

// session is a page that is being gone through, in a folder of its own.
type session struct {
	t         *testing.T
	page      string
	checkout  string
	dir, path string
	ports     map[string]string // free ones, by those that the page names
	workflows int
	tables    string // of the workflow before
	said      string // by the block that ran last
}

// serve finds a free port for b when b serves one.
func (s *session) serve(b block) {
	if b.comment != "serves" {
		return
	}
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		s.t.Fatal(err)
	}
	defer l.Close()
	_, s.ports[b.about], _ = net.SplitHostPort(l.Addr().String())
}

// do does what there is to do with b.
func (s *session) do(b block) {
	for named, free := range s.ports {
		b.text = strings.ReplaceAll(b.text, named, free)
	}
	fail := func(format string, args ...any) {
		s.t.Errorf("%s:%d: %s", s.page, b.line, fmt.Sprintf(format, args...))
	}
	switch {
	case b.comment == "shown" && b.about != "":
	case b.comment == "file":
		if err := os.WriteFile(filepath.Join(s.dir, b.about), []byte(b.text), 0o755); err != nil {
			fail("%v", err)
		}
	case b.comment == "from":
		s.from(b, fail)
	case b.comment == "printed":
		if b.about != "" {
			s.shell(block{text: b.about}, fail)
		}
		s.printed(b, fail)
	case b.comment == "manifest":
		manifest := "name = \"page\"\nversion = \"1\"\nrole = \"model\"\nsummary = \"of a page\"\n" + b.text
		if _, err := sdk.ParseManifest(manifest); err != nil {
			fail("%v", err)
		}
	case b.language == "sh" && (b.comment == "" || b.comment == "serves"):
		s.shell(b, fail)
	case b.language == "toml" && b.comment == "":
		s.tables = b.text
		s.workflow(b, fail)
	case b.language == "toml" && b.comment == "added":
		s.workflow(block{text: s.tables + b.text}, fail)
	case b.language == "text" && (b.comment == "formula" || slices.Contains(made, s.page)):
	default:
		fail("nobody knows what to do with this block: got language %q and comment %q", b.language, b.comment)
	}
}

// from wants the text of b to stand in a file.
func (s *session) from(b block, fail func(string, ...any)) {
	text, err := os.ReadFile(filepath.Join(s.dir, b.about))
	if err != nil {
		text, err = os.ReadFile(filepath.Join(s.checkout, b.about))
	}
	if err != nil {
		fail("%v", err)
	} else if !strings.Contains(string(text), b.text) {
		fail("this does not stand in %s", b.about)
	}
}

// printed wants the text of b in what was printed; -update rewrites the page: as many lines,
// from the first one that begins with the same word.
func (s *session) printed(b block, fail func(string, ...any)) {
	if strings.Contains(s.said, b.text) {
		return
	}
	first, _, _ := strings.Cut(b.text, " ")
	_, now, found := strings.Cut("\n"+s.said, "\n"+first+" ")
	lines := strings.SplitAfter(first+" "+now, "\n")
	if n := strings.Count(b.text, "\n"); *update && found && len(lines) > n {
		text, err := os.ReadFile(s.page)
		if err == nil {
			err = os.WriteFile(s.page, []byte(strings.Replace(string(text), b.text, strings.Join(lines[:n], ""), 1)), 0o644)
		}
		if err != nil {
			fail("%v", err)
		}
		return
	}
	fail("this was not printed; run go test ./docs -update, or change it; what was printed is\n%s", s.said)
}

// figure wants the image of a page to be the file of the session that a pattern matches;
// -update copies it.
func (s *session) figure(pattern, image string) {
	s.t.Helper()
	found, err := filepath.Glob(filepath.Join(s.dir, pattern))
	if err != nil || len(found) == 0 {
		s.t.Errorf("%s: nothing is at %s (%v)", s.page, pattern, err)
		return
	}
	want, err := os.ReadFile(found[len(found)-1])
	if err != nil {
		s.t.Fatal(err)
	}
	got, err := os.ReadFile(image)
	if err == nil && bytes.Equal(got, want) {
		return
	}
	if !*update {
		s.t.Errorf("%s: %s is not the figure of the run (%v); run go test ./docs -update", s.page, image, err)
	} else if err := os.WriteFile(image, want, 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// shell runs the lines of b in the session's folder. What it leaves in the background is
// ended with the test.
func (s *session) shell(b block, fail func(string, ...any)) {
	// a checkout stands in for what is published
	text := strings.ReplaceAll(b.text, "--lang go ", "--lang go --plume '"+s.checkout+"' ")
	out, err := os.CreateTemp(s.t.TempDir(), "out")
	if err != nil {
		s.t.Fatal(err)
	}
	defer out.Close()
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-ec", text)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, out, out // a file: who stays in the background keeps it open
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = append(os.Environ(), "PATH="+s.path, "CHECKOUT="+s.checkout, "PLUME=")
	if err = cmd.Start(); err == nil {
		group := -cmd.Process.Pid
		s.t.Cleanup(func() { _ = syscall.Kill(group, syscall.SIGKILL) })
		err = cmd.Wait()
	}
	if err == nil && b.comment == "serves" {
		err = answers(s.ports[b.about])
	}
	said, _ := os.ReadFile(out.Name())
	if s.said = string(said); err != nil {
		fail("%v\n%s", err, said)
	}
}

// answers waits until somebody listens on port.
func answers(port string) error {
	var err error
	for range 600 {
		var c net.Conn
		if c, err = net.Dial("tcp", "localhost:"+port); err == nil {
			return c.Close()
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

// workflow lays the tables of b over base and runs the result.
func (s *session) workflow(b block, fail func(string, ...any)) {
	s.workflows++
	name := fmt.Sprintf("workflow%d.toml", s.workflows)
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(over(base, b.text)), 0o644); err != nil {
		s.t.Fatal(err)
	}
	s.shell(block{text: "plume -q run " + name}, fail)
}

// table matches the header of a table and captures the first key of its name.
var table = regexp.MustCompile(`(?m)^\[+([a-z_]+)`)

// over returns the tables of text, and those of base whose first key none of text has.
func over(base, text string) string {
	has := map[string]bool{}
	for _, m := range table.FindAllStringSubmatch(text, -1) {
		has[m[1]] = true
	}
	starts := table.FindAllStringSubmatchIndex(base, -1)
	out := base[:starts[0][0]]
	for i, m := range starts {
		end := len(base)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		if !has[base[m[2]:m[3]]] {
			out += base[m[0]:end]
		}
	}
	return out + text
}
