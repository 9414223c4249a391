package process

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plume-da/plume/plugins/internal/children/childrentest"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// question is a line that a server gets.
type question struct {
	Member   int                `json:"member"`
	Interval float64            `json:"interval"`
	Seed     int64              `json:"seed"`
	State    map[string]float64 `json:"state"`
	Input    string             `json:"input"`
	Output   string             `json:"output"`
}

// serveForTests answers every line of standard input with the exact solution of x' = -x,
// y' = -2 y, and does for member 41 what habit says.
func serveForTests(habit string) {
	switch habit {
	case "floods":
		fmt.Println(strings.Repeat("x", 1<<20))
	case "leaves at once":
		misbehave("leaves")
	}
	lines := bufio.NewScanner(os.Stdin)
	for asked := 1; lines.Scan(); asked++ {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			panic(err)
		}
		fmt.Fprintln(os.Stderr, "member", q.Member)
		if q.Member == 41 {
			misbehave(habit)
		}
		if habit == "remembers" {
			q.State["x"] += float64(asked)
		}
		x, y := q.State["x"]*math.Exp(-q.Interval), q.State["y"]*math.Exp(-2*q.Interval)
		switch {
		case q.Output != "": // the input is a file, too
			in, _ := os.ReadFile(q.Input)
			_ = os.WriteFile(q.Output, in, 0o600)
			fmt.Println("{}")
		default:
			answer, _ := json.Marshal(map[string]any{"state": map[string]float64{"x": x, "y": y}, "pid": os.Getpid()})
			fmt.Println(string(answer))
			if habit == "repeats" {
				fmt.Println(string(answer))
			}
		}
	}
}

func misbehave(habit string) {
	switch habit {
	case "exits":
		os.Exit(3)
	case "ends":
		os.Exit(0)
	case "prints":
		fmt.Println("Loading packages")
	case "refuses":
		fmt.Println(`{"error": "did not converge"}`)
		time.Sleep(time.Hour)
	case "lacks":
		fmt.Println(`{"state": {"x": 1}}`)
		time.Sleep(time.Hour)
	case "undefined":
		fmt.Println(`{"state": {"x": 1, "y": NaN}}`)
	case "bare":
		fmt.Println(`{"x": 1, "y": 2}`)
	case "babbles":
		for {
			fmt.Print(strings.Repeat("x", 1000))
		}
	case "infinite":
		fmt.Println(`{"state": {"x": 1, "y": 1e999}}`)
		time.Sleep(time.Hour)
	case "sleeps", "closes", "leaves", "forks":
		switch habit {
		case "closes":
			_ = os.Stdout.Close()
		case "leaves":
			_, _ = syscall.Setsid()
		case "forks":
			fork()
		}
		time.Sleep(time.Hour)
	}
}

// fork starts a process in another session that keeps the ends of the pipes open.
func fork() {
	child := exec.Command("sleep", "1006")
	child.Stdin, child.Stdout = os.Stdin, os.Stdout
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		panic(err)
	}
	if err := os.WriteFile("child", []byte(strconv.Itoa(child.Process.Pid)), 0o600); err != nil {
		panic(err)
	}
}

// serving returns the parameters of a model whose command is this program.
func serving(t testing.TB, habit string, more params) params {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := scalars(params{"command": []string{self}, "mode": "server", "env": []string{"PROCESS_TEST_SERVER=" + habit}})
	for k, v := range more {
		p[k] = v
	}
	return p
}

// A server gives the numbers of the exact solution for every member and call, and so does
// every later model of the same configuration, without another start.
func TestServer(t *testing.T) {
	dir := t.TempDir()
	first := map[string]bool{}
	for trial := range 2 {
		m, err := configureIn(dir, serving(t, "none", params{"work_dir": "work", "parallel": 2}))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			r := request(m, 9)
			if res, err := m.Forecast(t.Context(), r); err != nil || len(res.Failures) > 0 {
				t.Fatal(res, err)
			}
			for i := range 9 {
				for j, rate := range []float64{1, 2} {
					if got, want := r.Into.At(i, j), r.Ensemble.At(i, j)*math.Exp(-rate*(r.To-r.From)); got != want {
						t.Errorf("member %d, value %d: got %v, want %v", i, j, got, want)
					}
				}
			}
		}
		for _, path := range left(t, m) {
			if server := filepath.Base(filepath.Dir(path)); trial == 0 {
				first[server] = true
			} else if !first[server] {
				t.Errorf("the second model started %s", server)
			}
		}
	}
	if len(first) == 0 || len(first) > 2 {
		t.Errorf("%d servers, want one or two", len(first))
	}
}

// A server exchanges states in files when they are named.
func TestServerWithFiles(t *testing.T) {
	for _, format := range []string{".npy", ".csv", ".arrows", ".json"} {
		for _, input := range []string{"state", "in/state"} {
			m := configured(t, serving(t, "none", params{"input": input + format, "output": "result" + format}))
			r := request(m, 3)
			if res, err := m.Forecast(t.Context(), r); err != nil || len(res.Failures) > 0 || !mat.Equal(r.Into, r.Ensemble) {
				t.Errorf("%s%s: %+v, %v", input, format, res, err)
			}
		}
	}
}

// What a member is reported with whose server did not answer as it should. The others have
// their results, and a file of the server that failed is left.
func TestServersThatFail(t *testing.T) {
	for habit, want := range map[string]string{
		"exits":     `exited with code 3 before it answered; it printed "member`,
		"ends":      "ended before it answered; it must answer a line of standard input, flush, and wait for the next",
		"prints":    `printed "Loading packages", want one line of JSON such as {"state": ...}; it must print anything else to standard error`,
		"refuses":   `answered with the error "did not converge"`,
		"lacks":     "gave an invalid answer: state: y is missing",
		"infinite":  "gave an invalid answer: state: y: got 1e999, want a number",
		"undefined": `\"y\": NaN}}", want one line of JSON such as {"state": ...}; numbers that are not finite have no form in JSON`,
		"bare":      `gave an invalid answer: has no "state" with the variables`,
		"sleeps":    "was ended after 1 s, before it answered; it must flush after each answer",
		"closes":    "was ended by signal 9 (killed) before it answered",
		"leaves":    "was ended after 1 s",
		"forks":     "was ended after 1 s",
	} {
		t.Run(habit, func(t *testing.T) {
			t.Parallel()
			limit, retries := 60.0, 1
			switch habit {
			case "sleeps", "leaves":
				limit = 1
			case "forks":
				limit, retries = 1, 0 // one child
			}
			m := configured(t, serving(t, habit, params{"timeout": limit, "parallel": 1, "retries": retries}))
			t.Cleanup(func() { endChild(t, m) })
			r := request(m, 4)
			res, err := m.Forecast(t.Context(), r)
			if err != nil || len(res.Failures) != 1 || res.Failures[0].Member != 1 || !strings.Contains(res.Failures[0].Reason, want) {
				t.Fatalf("got %+v, %v, want %s", res, err, want)
			}
			for _, i := range []int{0, 2, 3} {
				if r.Into.At(i, 0) != r.Ensemble.At(i, 0)*math.Exp(-0.5) {
					t.Errorf("member %d got %v", i, r.Into.RawRowView(i))
				}
			}
			kept := 0
			for name, path := range left(t, m) {
				if text, _ := os.ReadFile(path); strings.HasSuffix(name, "/"+stderrFile) && strings.HasSuffix(string(text), "member 41\n") {
					kept++
				}
			}
			if kept != 1 {
				t.Errorf("%d servers that failed left their files, want the last one: %v", kept, left(t, m))
			}
		})
	}
}

// endChild ends the process that a server has left.
func endChild(t *testing.T, m *model) {
	t.Helper()
	for name, path := range left(t, m) {
		text, _ := os.ReadFile(path)
		if pid, err := strconv.Atoi(string(text)); err == nil && strings.HasSuffix(name, "/child") {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// A server that prints more than its pipe holds before it reads a line that is longer than that, too, waits for plume.
func TestServerThatFloods(t *testing.T) {
	m := configured(t, serving(t, "floods", params{"variables": []string{"x(i)"}, "dimensions": []string{"i = 10000"}, "timeout": 30.0}))
	res, err := m.Forecast(t.Context(), request(m, 1))
	if err != nil || len(res.Failures) != 1 || !strings.Contains(res.Failures[0].Reason, `printed "xxxx`) {
		t.Errorf("got %+v, %v", res, err)
	}
}

// A call that reaches its deadline keeps the files of the servers that it asked.
func TestDeadlineOfServers(t *testing.T) {
	for keep, want := range map[string]int{"failed": 1, "none": 0} {
		m := configured(t, serving(t, "sleeps", params{"parallel": 1, "keep": keep}))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if _, err := m.Forecast(ctx, request(m, 3)); sdk.KindOf(err) != sdk.KindDeadline {
			t.Errorf("got %v", err)
		}
		if files := left(t, m); len(files) != want {
			t.Errorf("keep = %s leaves %v", keep, files)
		}
	}
}

// A server that remembers is found out before its results are used.
func TestServerThatRemembers(t *testing.T) {
	m := configured(t, serving(t, "remembers", nil))
	_, err := m.Forecast(t.Context(), request(m, 3))
	if sdk.KindOf(err) != sdk.KindExternal || !strings.Contains(fmt.Sprint(err), "when it was asked again") {
		t.Errorf("got %v", err)
	}
}

// A server that answers twice is found out: an answer would be taken for that of the next
// question.
func TestServerThatAnswersTwice(t *testing.T) {
	m := configured(t, serving(t, "repeats", params{"parallel": 1}))
	if res, err := m.Forecast(t.Context(), request(m, 3)); err == nil && len(res.Failures) == 0 {
		t.Errorf("got results")
	}
}

// The arguments of a server cannot have what differs between members.
func TestArgumentsOfServers(t *testing.T) {
	for _, argument := range []string{"{{.member}}", "{{.state.x}}", "{{.interval}}"} {
		_, err := configure(t, scalars(params{"command": []string{"cat", argument}, "mode": "server"}))
		if err == nil || !strings.Contains(err.Error(), "a server gets the others in its lines") {
			t.Errorf("%s: got %v", argument, err)
		}
	}
}

// Servers that nobody needs any more are ended, the longest idle first.
func TestIdleServers(t *testing.T) {
	dir := t.TempDir()
	most := 2 * max(processors, 1)
	var work string
	for i := range most + 3 {
		m, err := configureIn(dir, serving(t, fmt.Sprint("none of ", i), params{"work_dir": "work", "parallel": 1}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Forecast(t.Context(), request(m, 1)); err != nil {
			t.Fatal(err)
		}
		work = m.WorkDir
	}
	entries, err := os.ReadDir(work)
	if err != nil || len(entries) != most {
		t.Errorf("%d directories of servers, want %d: %v", len(entries), most, err)
	}
	idle.Lock()
	defer idle.Unlock()
	if len(idle.servers) != most || slices.ContainsFunc(idle.servers, func(s *server) bool { return filepath.Dir(s.dir) != work }) {
		t.Errorf("%d idle servers, want the %d youngest", len(idle.servers), most)
	}
}

// A program that nobody needs any more is ended gently at first: it can say how in the file said.
func TestRetire(t *testing.T) {
	for name, tt := range childrentest.Programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := filepath.Join(t.TempDir(), "said")
			m := configured(t, scalars(params{"command": shell(strings.ReplaceAll(tt.Text, "said", said)), "mode": "server"}))
			s, err := m.startServer()
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond) // until it has set its traps
			s.retire()
			if text, _ := os.ReadFile(said); strings.TrimSpace(string(text)) != tt.Said {
				t.Errorf("it said %q, want %q", text, tt.Said)
			}
			checkGone(t, s.Process.Pid)
			if _, err := os.Stat(s.dir); err == nil {
				t.Error("its directory is still there")
			}
		})
	}
}

// The cost of a member whose server answers at once.
func BenchmarkServer(b *testing.B) {
	m := configured(b, serving(b, "none", nil))
	r := request(m, 100)
	for b.Loop() {
		if _, err := m.Forecast(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(100*b.N), "us/member")
}

// interpreters are the same program, an explicit step of decay, for one member and for a line after the other.
var interpreters = []struct {
	name, program, once, server string
}{
	{"Python", "python3", `import csv
header, row = csv.reader(open("state.csv"))
print(*header, sep=",", file=(out := open("result.csv", "w")))
print(*(0.9 * float(v) for v in row), sep=",", file=out)
`, `import json, sys
for line in sys.stdin:
    state = json.loads(line)["state"]
    print(json.dumps({"state": {name: 0.9 * v for name, v in state.items()}}), flush=True)
`},
	{"R", "Rscript", `state <- read.csv("state.csv")
write.csv(format(0.9 * state, digits = 17), "result.csv", row.names = FALSE, quote = FALSE)
`, `input <- file("stdin", "r")
while (length(line <- readLines(input, n = 1)) > 0) {
  state <- read.csv("state.csv")
  writeLines(c("x,y", sprintf("%.17g,%.17g", 0.9 * state$x, 0.9 * state$y)), "result.csv")
  cat("{}\n")
  flush(stdout())
}
`},
}

// How many members a second an interpreter computes that stays, and one that is started for each,
// one at a time.
func BenchmarkInterpreters(b *testing.B) {
	for _, tt := range interpreters {
		b.Run(tt.name, func(b *testing.B) {
			if _, err := exec.LookPath(tt.program); err != nil {
				b.Skip(err)
			}
			dir := b.TempDir()
			put(b, dir, map[string]string{"once": tt.once, "server": tt.server})
			seconds := func(mode, script string, members int) float64 {
				p := scalars(params{"command": []string{tt.program, script}, "files": []string{script}, "mode": mode, "parallel": 1, "work_dir": "work"})
				if tt.name == "R" && mode == "server" {
					p["input"], p["output"] = "state.csv", "result.csv"
				}
				m, err := configureIn(dir, p)
				if err != nil {
					b.Fatal(err)
				}
				forecast := func(members int) time.Duration {
					start := time.Now()
					res, err := m.Forecast(b.Context(), request(m, members))
					if err != nil || len(res.Failures) > 0 {
						b.Fatal(res, err)
					}
					return time.Since(start)
				}
				forecast(1) // starts the server, and asks twice
				return forecast(members).Seconds() / float64(members)
			}
			var each, stays float64
			for b.Loop() {
				each, stays = seconds("member", "once", 10), seconds("server", "server", 200)
			}
			b.ReportMetric(1/each, "each/s")
			b.ReportMetric(1/stays, "stays/s")
			b.ReportMetric(each/stays, "ratio")
		})
	}
}
