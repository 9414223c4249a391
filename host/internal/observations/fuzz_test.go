package observations

import (
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
)

// fuzzed are workflows that between them use every key about a text file.
var fuzzed = []struct {
	settings string
	layout   *sdk.Layout
}{
	{`time = {}
observations = { plugin = "o", error.sd = 1, file = "data.csv", time.column = "t", map = [{ column = "level", sd = "e", range = [0, 5] }, { column = "flow" }], hold_out.column = "h", missing = ["", "-9999"] }`, scalars},
	{`time = { interval = 0.5, window = 0.25 }
observations = { plugin = "o", error.sd = 1, file = "data.csv", time.column = "t", qc = { duplicates = "mean", early = "reject" }, hold_out.every = 3 }`, scalars},
	{`time = { start = 2026-03-28, unit = "1h", window = "90m" }
observations = { plugin = "o", error.sd = 1, file = "data.csv", time = { column = "t", timezone = "Europe/Oslo" }, long = { name = "n", value = "v" }, location = { coordinates = ["x"], within = 0.4 }, map = [{ column = "gauge", variable = "u" }], qc.duplicates = "last", hold_out.fraction = 0.5 }`, ring},
	{`time = { start = 2026-03-28, unit = "1h", cycles = 5, interval = 2 }
observations = { plugin = "o", error.sd = 1, file = "data.csv", delimiter = ";", comment = "#", time = { column = "t", format = "%d.%m.%Y %H:%M:%S.%f" }, location.index = "site", map = [{ column = "u" }], qc.duplicates = "first" }`, ring},
	{`time = { start = 2026-03-28, unit = "1s", cycles = 5 }
observations = { plugin = "o", error.sd = 1, file = "data.csv", time = { column = "t", format = "unix" }, map = [{ column = "u", index = 3 }], qc.early = "reject" }`, ring},
	{`time = { start = 2026-03-28, unit = "1h" }
observations = { plugin = "o", error.sd = [1, 2], file = "data.csv", time = { columns = ["t", "z"], timezone = "America/New_York" }, map = [{ column = "level", sd = "e", flag = "q" }, { column = "flow" }], hold_out.column = "h", missing = ["", '/.*\*/'], qc = { early = "reject", duplicates = "mean", flag.accept = ["A", "/P.?/"] } }`, scalars},
	{`time = { start = 0001-01-01, unit = "1d", cycles = 5 }
observations = { plugin = "o", error.sd = 1, file = "data.csv", decimal = ",", time = { column = "t", format = "excel", timezone = "-08:00" }, map = [{ column = "u" }], location.index = "site" }`, ring},
	{`time = { start = 2026-03-28, unit = "1h" }
observations = { plugin = "o", error.sd = 1, file = "data.csv", time = { column = "t", format = "%m/%d/%y %I:%M %p %Z" }, map = [{ column = "level" }] }`, scalars},
}

// FuzzRead holds the reader of text files to its promises on any text: it does not
// panic, it returns a record or findings and not both, what it holds is finite, in
// order and once per component and cycle, or once assimilated and once held out, and it
// allocates in proportion to the text.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		"t,level,flow,e,h\n1,2,3,0.5,no\n2,NA,4,,yes\n2.2,9,\"5\",1,\n",
		"t,level,flow\n1,2,3\n1,2,4\n-1,2,\n1e300,2,3\n",
		"t,n,v,x\n2026-03-29 01:59,gauge,1,3.8\n2026-03-29T03:00:00.5+02:00,gauge,2,1\n2026-03-29 02:30,gauge,1,0\n2026-10-25 02:30,other,1,0\n",
		"\ufefft;site;u\r\n# pause\r\n29.03.2026 06:30:00.25;3;1\r\n30.02.2026 06:30:00.0;0;x\r\n",
		"t,u\n1774742400.5,1\n1e18,2\n-5,3\n",
		"t,z,level,e,q,flow,h\n2026-03-29 01:30,EST,2,0.5,A,3,no\n2026-03-29 01:30,EST,5,,P1,0.1D+02,yes\n2026-03-29 01:30,EST,4*,1e-300,X,1.05+100,\n2026-03-30,Europe/Oslo,1,2,A,,1\n",
		"t,u,site\n\"46110,25\",\"1,5\",0\n60,1,1\n\"3e6\",2,2\n", "t,level\n03/29/26 01:30 PM CET,1\n3/30/26 12:00 am UTC+1,2\n3/30/26 13:00 am +01:00,2\n", "t,level,flow\n1,2\n", "t,\"level\nt\",flow\n\"1\n,2", "", "\xff,\x00\n",
	} {
		for setting := range fuzzed {
			f.Add(text, uint8(setting))
		}
	}
	dir := f.TempDir()
	var workflows []*workflow.Workflow
	for _, s := range fuzzed {
		w, found := workflow.Parse(filepath.Join(dir, "w.toml"), []byte(head+s.settings), workflow.Options{})
		if len(found) > 0 {
			f.Fatal(found.Text(false))
		}
		workflows = append(workflows, w)
	}
	f.Fuzz(func(t *testing.T, text string, setting uint8) {
		i := int(setting) % len(fuzzed)
		w, layout := workflows[i], fuzzed[i].layout
		if err := os.WriteFile(filepath.Join(dir, "data.csv"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, found := Read(w, []*sdk.Layout{layout}, Known{})
		runtime.ReadMemStats(&after)
		// a value takes two characters of text and 56 bytes, and slices double as they
		// grow; a cycle of a fixed interval takes eight bytes, and maxCycles bounds them
		if used, limit := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+1000*len(text)); w.Time.Interval == 0 && used > limit {
			t.Fatalf("%d bytes of text: allocated %d bytes, at most %d wanted", len(text), used, limit)
		}
		if (r == nil) == (len(found) == 0) {
			t.Fatalf("record %v, findings %v", r != nil, found.Text(false))
		}
		lines := strings.Count(text, "\n") + 1
		for _, d := range found {
			if d.Message == "" || filepath.Base(d.File) == "data.csv" && (d.Line > lines || d.Column < 1 || d.Width < 1) {
				t.Fatalf("misplaced: %+v", d)
			}
		}
		if s := found.Text(true) + found.JSON() + found.GitHub(); !utf8.ValidString(s) {
			t.Fatalf("not UTF-8: %q", s)
		}
		if r != nil {
			inOrder(t, r.HoldOut(w.Observations, rng.New(1)), layout.Size(), lines)
		}
	})
}

// inOrder wants r, of m components and read from so many lines, to be a record.
func inOrder(t *testing.T, r *Record, m, lines int) {
	t.Helper()
	last := math.Inf(-1)
	for k := 1; k <= len(r.Times); k++ {
		if now := r.Times[k-1]; !(now > last) || math.IsInf(now, 0) {
			t.Fatalf("cycle %d at %g comes after %g", k, now, last)
		}
		last = r.Times[k-1]
		component, status := int32(-1), HeldOut
		for _, v := range r.In(k) {
			both := v.Component == component && status == Assimilated && v.Status == HeldOut
			if v.Component <= component && !both || int(v.Component) >= m || math.IsNaN(v.Y) || math.IsInf(v.Y, 0) || v.SD < 0 ||
				int(v.Cycle) != k || v.Time > last*(1+1e-9)+1e-9 || int(v.Row) > lines || v.Status > HeldOut {
				t.Fatalf("cycle %d: %+v", k, v)
			}
			component, status = v.Component, v.Status
		}
	}
	for _, v := range r.Rejected {
		if v.Status <= HeldOut || v.Cycle != 0 || int(v.Row) > lines {
			t.Fatalf("%+v is rejected", v)
		}
	}
}
