//go:build linux

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/archive/archivetest"
	"github.com/plume-da/plume/host/internal/report"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/sdk/wire/table"
)

// browser is a Chromium that writes down what a page must not do.
type browser struct {
	ctx context.Context

	mu     sync.Mutex
	faults []string
	page   string // address of the page under test
}

// openBrowser starts Chromium. Without one the test is skipped, unless PLUME_BROWSER
// says that it is required.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" && os.Getenv("PLUME_BROWSER") == "required" {
		t.Fatal("there is no chromium, and PLUME_BROWSER is \"required\"")
	}
	if program == "" {
		t.Skip("there is no chromium; PLUME_BROWSER=required makes this a failure")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute) // a minute on a quiet machine
	t.Cleanup(cancel)
	b := &browser{ctx: ctx}
	if err := chromedp.Listen(ctx, b.event); err != nil {
		t.Fatal(err)
	}
	call(t, b, cdplog.Enable, cdp.Empty{})
	call(t, b, network.Enable, network.EnableParams{})
	return b
}

// event notes console output, exceptions, log entries (violations of the
// Content-Security-Policy are some) and requests for anything but the page.
func (b *browser) event(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev := ev.(type) {
	case *runtime.EventConsoleAPICalled:
		b.faults = append(b.faults, fmt.Sprintf("console.%s", ev.Type))
	case *runtime.EventExceptionThrown:
		text := ev.ExceptionDetails.Text
		if e := ev.ExceptionDetails.Exception; e != nil {
			text += " " + e.Description
		}
		b.faults = append(b.faults, "exception: "+text)
	case *cdplog.EventEntryAdded:
		b.faults = append(b.faults, fmt.Sprintf("log: %s", ev.Entry.Text))
	case *network.EventRequestWillBeSent:
		if ev.Request.URL != b.page {
			b.faults = append(b.faults, "request: "+ev.Request.URL)
		}
	}
}

// take returns the faults so far and forgets them.
func (b *browser) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	faults := b.faults
	b.faults = nil
	return faults
}

func call[P, R any](t *testing.T, b *browser, command cdp.Command[P, R], params P) {
	t.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		t.Fatal(err)
	}
}

// eval runs a script in the page.
func eval[T any](t *testing.T, b *browser, script string) T {
	t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%v in\n%s", err, script)
	}
	return v
}

// open shows a file at a width.
func (b *browser) open(t *testing.T, path string, width int64) {
	t.Helper()
	address := (&url.URL{Scheme: "file", Path: path}).String()
	b.mu.Lock()
	b.page = address
	b.mu.Unlock()
	if err := chromedp.Do(b.ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(address)); err != nil {
		t.Fatal(err)
	}
}

// settle waits until what was to be drawn has been drawn: two frames.
func (b *browser) settle(t *testing.T) {
	t.Helper()
	eval[any](t, b, `new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))`)
}

// drawn says of every chart how many of its pixels have colour; -1: there is no canvas.
const drawn = `Object.fromEntries([...document.querySelectorAll("figure[data-chart]")].map(f => [f.dataset.chart, [...f.querySelectorAll("canvas")].reduce((least, c) => {
	const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data, hues = new Set();
	let n = 0;
	for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 32) { n++; hues.add((d[i] >> 4) * 256 + (d[i + 1] >> 4) * 16 + (d[i + 2] >> 4)); }
	return hues.size < 2 ? 0 : least < 0 ? n : Math.min(least, n);
}, -1)]))`

const overflow = `[document.documentElement.scrollWidth - innerWidth, ...[...document.querySelectorAll("main *")].filter(e => !e.closest(".table, pre, .uplot") && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName)].join(" ")`

// tooSmall lists what can be touched and is less than 24 pixels wide or high; a box with a label is as
// large as the label.
const tooSmall = `[...document.querySelectorAll("button, select, input, summary, nav a")].filter(e => {
	const r = (e.type === "checkbox" ? e.closest("label") : e).getBoundingClientRect();
	return r.width > 0 && (r.width < 24 || r.height < 24);
}).map(e => e.tagName + " " + (e.textContent || e.type).trim().slice(0, 20))`

// check opens a page in several widths, light and dark, and wants every chart of the
// list to be there and drawn, and nothing else. With axe-core it takes all pairs of both.
func (b *browser) check(t *testing.T, path string, charts ...string) {
	t.Helper()
	slices.Sort(charts)
	axe := axeCore(t)
	for i, width := range []int64{400, 900, 1600} {
		for k, theme := range []string{"light", "dark"} {
			if axe != "" || k == i%2 {
				b.checkAt(t, path, width, theme, axe, charts)
			}
		}
	}
	for _, fault := range b.take() {
		t.Error(fault)
	}
}

// checkAt is check at one width and in one theme.
func (b *browser) checkAt(t *testing.T, path string, width int64, theme, axe string, charts []string) {
	t.Helper()
	call(t, b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}})
	b.open(t, path, width)
	b.settle(t)
	b.checkAccess(t, axe)
	pixels := eval[map[string]int](t, b, drawn)
	var got []string
	for name, n := range pixels {
		got = append(got, name)
		if n < 200 {
			t.Errorf("%d, %s: chart %s has %d drawn pixels", width, theme, name, n)
		}
	}
	if slices.Sort(got); !slices.Equal(got, charts) {
		t.Errorf("charts %v, want %v", got, charts)
	}
	if over := eval[string](t, b, overflow); over != "0" {
		t.Errorf("%d pixels wide: overflow %s", width, over)
	}
	if small := eval[[]string](t, b, tooSmall); width < 640 && len(small) > 0 {
		t.Errorf("%d pixels wide: too small for a finger: %v", width, small)
	}
}

const reportedTwin = `format = 1
[experiment]
name = "twin"
seed = 3
[time]
cycles = 60
interval = 0.1
burn_in = 10
[model]
plugin = "lorenz63"
[truth]
init = [1.5, -1.5, 25.5]
spin_up = 5.0
[observations]
plugin = "obs-nonlinear"
error = { sd = 1.0 }
[ensemble]
size = 10
init = { dist = "normal", around = "truth", sd = 1.0 }
[[filter]]
label = "enkf"
plugin = "filter-enkf"
params = { inflation = 1.05 }
[[filter]]
label = "particle"
plugin = "filter-pf"
params = { jitter = 1.0 }
`

const reportedField = `format = 1
[experiment]
name = "field"
seed = 3
[time]
cycles = 40
interval = 0.05
burn_in = 10
[model]
plugin = "lorenz96"
params = { n = 12 }
[truth]
init = { dist = "normal", mean = 2.0, sd = 1.0 }
spin_up = 5.0
[observations]
plugin = "obs-nonlinear"
error = { sd = 1.0 }
[ensemble]
size = 12
init = { dist = "normal", around = "truth", sd = 1.0 }
[[filter]]
label = "etkf"
plugin = "filter-enkf"
params = { scheme = "etkf", inflation = 1.05 }
`

const reportedSweep = `
[sweep]
replicate = "1..2"
[sweep.axes]
"ensemble.size" = [10, 20, 80]
"filter.enkf.params.inflation" = [1.0, 1.1]
`

// reported runs a workflow and returns the page of its report.
func reported(t *testing.T, text string) string {
	t.Helper()
	root := t.TempDir()
	file := filepath.Join(root, "w.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	if code := Main([]string{"run", "-q", file, "--run-dir", root}, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, stderr.String())
	}
	return reportOf(t, strings.TrimSpace(stdout.String()))
}

// reportOf makes the report of a run.
func reportOf(t *testing.T, dir string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	if code := Main([]string{"report", dir}, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, stderr.String())
	}
	return strings.TrimSpace(stdout.String())
}

// Trials that differ in the seed alone are repetitions, to a report as to a comparison.
func TestReportOfSeeds(t *testing.T) {
	path := reported(t, reportedTwin+"[sweep.axes]\n\"experiment.seed\" = [3, 5, 7]\n")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for want, times := range map[string]int{`"replicate":"1, seed 5"`: 2, `"axes":[]`: 1, "<td>ok</td>": 6} { // of two filters in two stages, and two estimates
		if n := strings.Count(string(text), want); n != times {
			t.Errorf("%s: %d times, want %d", want, n, times)
		}
	}
	var stdout, stderr strings.Builder
	if code := Main([]string{"compare", filepath.Dir(path)}, &stdout, &stderr); code != exitOK || !strings.Contains(stdout.String(), "/3") {
		t.Errorf("compare: exit code %d\n%s%s", code, stdout.String(), stderr.String())
	}
	stdout.Reset()
	code := Main([]string{"report", filepath.Dir(path), "--figures", "svg", "--json"}, &stdout, &stderr)
	if want := fmt.Sprintf("{\"file\":%q}\n", filepath.Join(filepath.Dir(path), "figures", "rmse.svg")); code != exitOK || !strings.Contains(stdout.String(), want) {
		t.Errorf("figures: exit code %d, no %s in\n%s%s", code, want, stdout.String(), stderr.String())
	}
}

func TestReportInBrowser(t *testing.T) {
	b := openBrowser(t)
	t.Run("lorenz63", func(t *testing.T) {
		path := reported(t, strings.Replace(reportedTwin, "cycles = 60", "cycles = 200", 1)) // for means over blocks of cycles
		b.open(t, path, 1600)                                                                // TestReportOfManyKinds checks its charts
		b.settle(t)
		b.checkControls(t)
		b.checkTables(t)
		b.checkPrint(t)
		b.checkWithoutScript(t, path)
		b.checkPolicy(t, path)
	})
	t.Run("lorenz96", func(t *testing.T) {
		b.check(t, reported(t, reportedField), "rmse", "score", "innovations", "nis", "diagnostics", "trajectory", "latest", "marginals", "members", "field", "profile", "ranks", "coverage", "decomposition", "residuals", "skill", "cost", "timings")
	})
	t.Run("without truth", func(t *testing.T) {
		path := reported(t, withoutTruth(t))
		b.check(t, path, "rmse", "score", "innovations", "nis", "ess", "diagnostics", "differences", "trajectory", "latest", "marginals", "residuals", "cost", "timings")
		if text := eval[string](t, b, `document.body.innerText`); strings.Contains(text, "RMSE") || strings.Contains(text, "truth") || !strings.Contains(text, "Spread") {
			t.Errorf("nothing is known of a truth, but got\n%s", text)
		}
		dir := filepath.Dir(path)
		if code := Main([]string{"report", dir, "--figures", "svg"}, io.Discard, io.Discard); code != exitOK {
			t.Fatalf("figures: exit code %d", code)
		}
		for name, want := range map[string]bool{"spread": true, "rmse": false, "rank-histograms": false} {
			if _, err := os.Stat(filepath.Join(dir, "figures", name+".svg")); (err == nil) != want {
				t.Errorf("figure %s: %v", name, err)
			}
		}
	})
	t.Run("dates", func(t *testing.T) {
		workflow, err := os.ReadFile("../../../workflows/co2.toml")
		if err != nil {
			t.Fatal(err)
		}
		data, err := filepath.Abs("../../../workflows/data")
		if err != nil {
			t.Fatal(err)
		}
		path := reported(t, strings.NewReplacer(`"data/`, `"`+data+`/`, "background = 5.0", "background = 2.5").Replace(string(workflow)))
		b.open(t, path, 1280)
		r, err := archive.Open(filepath.Dir(path))
		if err != nil {
			t.Fatal(err)
		}
		held, rejected := 0, 0 // of the first trial
		for h, err := range r.HeldOut() {
			for i := range h.Trial {
				if err == nil && h.Trial[i] == 1 && h.Stage[i] == archive.Analysis {
					held++
				}
			}
		}
		for b, err := range r.Rejections() {
			for i := range b.Trial.Values {
				if err == nil && b.Trial.Values[i] == 1 {
					rejected++
				}
			}
		}
		drawn := eval[[]int](t, b, `(v => ["held_out", "rejected"].map(name => v[name].filter(x => x !== null).length))(JSON.parse(document.getElementById("data").textContent).trials[0].curves.analysis[0].values)`)
		if held == 0 || rejected == 0 || drawn[0] != held || drawn[1] != rejected {
			t.Errorf("%v held out and rejected values are drawn, want %d and %d", drawn, held, rejected)
		}
		if hidden := eval[int](t, b, `document.querySelectorAll(".key .held[hidden], .key .rejected[hidden]").length`); hidden > 0 {
			t.Errorf("%d of two keys are hidden", hidden)
		}
		b.checkDates(t, path, "ppm", "innovations", "trajectory", "latest", "marginals")
		at := eval[string](t, b, `(over => {
			const box = over.getBoundingClientRect();
			over.dispatchEvent(new MouseEvent("mousemove", { clientX: box.x + box.width / 2, clientY: box.y + 20, bubbles: true }));
			return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(document.querySelector("figure[data-chart=rmse] .at").textContent))));
		})(document.querySelector("figure[data-chart=rmse] .u-over"))`)
		if !strings.HasPrefix(at, "19") { // of 1958 to 2001
			t.Errorf("under the cursor: %q", at)
		}
	})
	t.Run("sweep", func(t *testing.T) {
		path := reported(t, reportedTwin+reportedSweep)
		charts := []string{"axis", "heat", "rmse", "score", "innovations", "nis", "ess", "diagnostics", "differences", "trajectory", "latest", "marginals", "phase", "members", "ranks", "coverage", "decomposition", "residuals", "skill", "cost", "timings"}
		b.open(t, path, 1600) // TestReportOfManyKinds checks its charts
		b.settle(t)
		before := eval[string](t, b, shown("axis"))
		b.choose(t, `figure[data-chart=axis] label:nth-of-type(2) select`, "1")
		if eval[string](t, b, shown("axis")) == before {
			t.Error("another axis gives the same chart")
		}
		best := eval[string](t, b, `document.querySelector("figure[data-chart=heat] .note").textContent`)
		if lowest := eval[string](t, b, `(cells => String(+Math.min(...cells).toPrecision(4)))([...document.querySelectorAll("#scores-analysis tbody tr")].filter(r => r.cells[0].textContent === "enkf").map(r => +r.cells[3].dataset.key))`); !strings.HasSuffix(best, ", "+lowest+".") {
			t.Errorf("the map says %q, but the lowest is %s", best, lowest)
		}
		// while it goes on nothing but the workflow says what its trials are
		dir := filepath.Dir(path)
		rows := eval[int](t, b, `document.querySelectorAll("#scores-analysis tbody tr").length`)
		withoutFiles(t, dir, archive.Running, "trials.arrow", "metrics.arrow")
		b.check(t, reportOf(t, dir), slices.DeleteFunc(charts, func(name string) bool { return name == "decomposition" })...)
		if got := eval[int](t, b, `document.querySelectorAll("#scores-analysis tbody tr").length`); got != rows-2 { // without baselines
			t.Errorf("%d rows of scores, want %d", got, rows-2)
		}
	})
	t.Run("killed", func(t *testing.T) {
		r := begin(t, 15_000)
		if err := r.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		r.end(t, 10*time.Second)
		path := reportOf(t, r.dir)
		charts := []string{"rmse", "score", "innovations", "nis", "ess", "diagnostics", "differences", "trajectory", "latest", "marginals", "phase", "members", "skill"} // no rank histogram before the end of a trial
		if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), `data-chart="timings"`) {
			charts = append(charts, "cost", "timings") // they are written many cycles at a time
		}
		b.check(t, path, charts...)
		if text := eval[string](t, b, `document.querySelector(".status").textContent + document.querySelector("#scores-analysis tbody").rows.length`); text != "stopped, its process is gone2" {
			t.Errorf("status and rows of scores: %s", text)
		}
	})
	t.Run("old", func(t *testing.T) {
		dir := filepath.Dir(reported(t, reportedTwin))
		withoutFiles(t, dir, archive.OK, "variables.arrow", "innovations.arrow", "timings.arrow", "rank_histogram.arrow", "workflow.resolved.toml")
		b.check(t, reportOf(t, dir), "rmse", "score", "ess", "diagnostics", "differences", "decomposition", "skill")
	})
	t.Run("empty", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "run.json"), []byte(`{"format": 1, "name": "empty", "status": "running"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		path := reportOf(t, dir)
		if info, err := os.Stat(path); err != nil || info.Size() > 250_000 {
			t.Errorf("a page without data has %d bytes, want at most 250,000, %v", info.Size(), err)
		}
		b.check(t, path)
	})
	t.Run("300 trials", func(t *testing.T) {
		path := reportOf(t, largeSweep(t))
		info, err := os.Stat(path)
		if err != nil || info.Size() > 20_000_000 {
			t.Errorf("%d bytes, %v", info.Size(), err)
		}
		var best time.Duration = math.MaxInt64
		for range 3 {
			b.open(t, path, 1280)
			ms := eval[float64](t, b, `performance.getEntriesByType("navigation")[0].loadEventEnd`)
			best = min(best, time.Duration(ms*float64(time.Millisecond)))
		}
		t.Logf("%.1f MB, opened in %v", float64(info.Size())/1e6, best)
		if best > 2*time.Second {
			t.Errorf("opens in %v, want 2 s", best)
		}
		b.check(t, path, "axis", "heat", "rmse", "score", "innovations", "nis", "differences", "skill", "trajectory", "phase", "fan", "leads")
		b.checkNumbers(t, path, filepath.Dir(path))
	})
}

// shown returns what a chart's canvases show.
func shown(chart string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("figure[data-chart=%s] canvas")].map(c => c.toDataURL()).join()`, chart)
}

// choose sets a select or a slider, or ticks a box, as a reader does.
func (b *browser) choose(t *testing.T, selector, value string) {
	t.Helper()
	eval[any](t, b, fmt.Sprintf(`(s => {
		if (s.type === "checkbox") return s.click();
		s.value = %q;
		for (const event of ["input", "change"]) s.dispatchEvent(new Event(event, { bubbles: true }));
	})(document.querySelector(%q))`, value, selector))
	b.settle(t)
}

// checkControls wants every control to change what it is about.
func (b *browser) checkControls(t *testing.T) {
	for _, c := range []struct{ chart, selector, value string }{
		{"members", `figure[data-chart=members] label:nth-of-type(2) select`, "2"},
		{"members", `figure[data-chart=members] input`, "0"},
		{"rmse", `#controls select`, "forecast"},
		{"trajectory", `figure[data-chart=trajectory] label:nth-of-type(1) select`, "2"},
		{"trajectory", `figure[data-chart=trajectory] label:nth-of-type(2) select`, "2"},
		{"phase", `figure[data-chart=phase] select`, "1,2"},
		{"score", `figure[data-chart=score] select`, "bias"},
		{"differences", `figure[data-chart=differences] select`, "crps_fair"},
		{"rmse", `#time-controls label:nth-of-type(1) input`, ""},
		{"innovations", `#time-controls label:nth-of-type(2) input`, ""},
	} {
		before := eval[string](t, b, shown(c.chart))
		b.choose(t, c.selector, c.value)
		if after := eval[string](t, b, shown(c.chart)); after == before {
			t.Errorf("%s = %s does not change the chart %s", c.selector, c.value, c.chart)
		}
	}
	before := eval[string](t, b, shown("rmse"))
	eval[any](t, b, `document.querySelector("#controls input[type=checkbox]").click()`)
	if eval[string](t, b, shown("rmse")) == before {
		t.Error("a filter that is not wanted stays in the chart")
	}
	// a drag over a chart of time zooms it, and its neighbours
	place := eval[struct{ Left, Top, Width, Height float64 }](t, b, `(over => { over.scrollIntoView({ block: "center" }); const r = over.getBoundingClientRect();
		return { Left: r.left, Top: r.top, Width: r.width, Height: r.height }; })(document.querySelector("figure[data-chart=rmse] .u-over"))`)
	neighbour := eval[string](t, b, shown("innovations"))
	for _, m := range []struct {
		kind  input.DispatchMouseEventType
		share float64
		held  int64
	}{{input.DispatchMouseEventTypeMouseMoved, 0.2, 0}, {input.DispatchMouseEventTypeMousePressed, 0.2, 1}, {input.DispatchMouseEventTypeMouseMoved, 0.4, 1}, {input.DispatchMouseEventTypeMouseMoved, 0.6, 1}, {input.DispatchMouseEventTypeMouseReleased, 0.6, 0}} {
		call(t, b, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: m.kind, X: place.Left + m.share*place.Width, Y: place.Top + place.Height/2, Button: "left", Buttons: m.held, ClickCount: 1})
	}
	b.settle(t)
	if eval[string](t, b, shown("innovations")) == neighbour {
		t.Error("charts of time do not zoom together")
	}
	// what was chosen survives the page's loading itself again
	if err := chromedp.Do(b.ctx, chromedp.Reload()); err != nil {
		t.Fatal(err)
	}
	if got := eval[string](t, b, `document.querySelector("#controls select").value + document.querySelector("#controls input").checked`); got != "forecastfalse" {
		t.Errorf("after a reload: %s", got)
	}
}

// checkTables wants tables to sort both ways and to be copied for papers.
func (b *browser) checkTables(t *testing.T) {
	const column = `[...document.querySelector("#scores-analysis").tBodies[0].rows].map(r => r.cells[2].dataset.key ?? "")`
	const click = `document.querySelectorAll("#scores-analysis th button")[2].click()`
	for _, direction := range []string{"ascending", "descending"} {
		eval[any](t, b, click)
		values := eval[[]float64](t, b, column+".map(Number)")
		if direction == "descending" {
			slices.Reverse(values)
		}
		if len(values) != 4 || !slices.IsSorted(values) {
			t.Errorf("%s: %v", direction, values)
		}
		if got := eval[string](t, b, `document.querySelector("#scores-analysis th[aria-sort]").getAttribute("aria-sort")`); got != direction {
			t.Errorf("aria-sort %q, want %q", got, direction)
		}
	}
	if best := eval[string](t, b, `(cells => {
		const lowest = Math.min(...cells.map(c => +c.dataset.key));
		return cells.filter(c => c.classList.contains("best") !== (+c.dataset.key === lowest)).length + " of " + cells.length;
	})([...document.querySelector("#scores-analysis").tBodies[0].rows].filter(r => ["enkf", "particle"].includes(r.cells[0].textContent)).map(r => r.cells[2]))`); best != "0 of 2" {
		t.Errorf("%s are bold and not the lowest, or lowest and not bold", best)
	}
	eval[any](t, b, `navigator.clipboard.writeText = async text => { window.copied = text; }`)
	for i, wants := range [][]string{{"| filter | N | rmse |", "| --- | ---: | ---: |", "| enkf | 10 |"}, {`\begin{tabular}{lrr`, `\toprule`, `spread\_skill`, `$\pm$`, "enkf & 10 & "}} {
		text := eval[string](t, b, fmt.Sprintf(`(document.querySelectorAll("#scores .tools button")[%d].click(), window.copied)`, i))
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
	}
	const unnamed = `[...document.querySelectorAll("table")].filter(x => !x.caption?.textContent).length + [...document.querySelectorAll("[role=img], [role=region], form")].filter(x => !x.getAttribute("aria-label")).length +
		[...document.querySelectorAll("select, input")].filter(x => !x.closest("label")).length + [...document.querySelectorAll("figure")].filter(x => !x.querySelector("figcaption")).length`
	if n := eval[int](t, b, unnamed); n != 0 {
		t.Errorf("%d tables, charts or controls have no name", n)
	}
}

// checkPrint wants charts to be as wide as paper while the page is printed, and as
// before afterwards.
func (b *browser) checkPrint(t *testing.T) {
	const widest = `(dispatchEvent(new Event("%s")), Math.max(...[...document.querySelectorAll("canvas")].map(c => c.getBoundingClientRect().right)) - document.querySelector("main").getBoundingClientRect().left)`
	if width := eval[float64](t, b, fmt.Sprintf(widest, "beforeprint")); width < 500 || width > 691 {
		t.Errorf("printed charts reach %v px, want 690", width)
	}
	if width := eval[float64](t, b, fmt.Sprintf(widest, "afterprint")); width < 800 {
		t.Errorf("after printing charts reach %v px", width)
	}
}

// withoutTruth is a workflow whose observations come from a file.
func withoutTruth(t *testing.T) string {
	t.Helper()
	var data strings.Builder
	data.WriteString("t,x\n")
	for k := range 60 {
		fmt.Fprintf(&data, "%d,%d\n", k+1, k*k%23)
	}
	file := filepath.Join(t.TempDir(), "data.csv")
	if err := os.WriteFile(file, []byte(data.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("data.csv", file, `sweep.replicate = "1..2"`, "", "hold_out.fraction = 0.2", "").Replace(realWorkflow)
}

// checkWithoutScript wants everything but the charts to be there without JavaScript.
func (b *browser) checkWithoutScript(t *testing.T, path string) {
	call(t, b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.open(t, path, 800)
	text := eval[string](t, b, `document.body.innerText`)
	call(t, b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{})
	for _, want := range []string{"Scores of the analysis", "climatology", "This chart needs JavaScript", "Plugins: versions and checksums", "plume.open_run", "Paired differences to enkf"} {
		if !strings.Contains(text, want) {
			t.Errorf("without JavaScript there is no %q", want)
		}
	}
	b.take()
}

// checkPolicy wants the page to be unable to make a request or to run what it did not
// come with, and this test to notice when it tries.
func (b *browser) checkPolicy(t *testing.T, path string) {
	b.open(t, path, 800)
	if faults := b.take(); len(faults) > 0 {
		t.Errorf("before: %v", faults)
	}
	got := eval[string](t, b, `(async () => {
		const script = document.createElement("script");
		script.textContent = "window.ran = true";
		document.body.append(script);
		const loaded = new Promise(done => { const i = new Image(); i.onload = () => done("loaded"); i.onerror = () => done("refused"); i.src = "http://127.0.0.1:9/x.png"; });
		const fetched = await fetch("http://127.0.0.1:9/").then(() => "fetched", () => "refused");
		return [window.ran === true, await loaded, fetched].join();
	})()`)
	if got != "false,refused,refused" {
		t.Errorf("a foreign script, an image and a request: %s", got)
	}
	var violations int
	for _, fault := range b.take() {
		if strings.Contains(fault, "Content Security Policy") {
			violations++
		}
		if strings.HasPrefix(fault, "request: ") && !strings.Contains(fault, "127.0.0.1") {
			t.Error(fault)
		}
	}
	if violations < 3 {
		t.Errorf("%d violations were noticed, want 3", violations)
	}
}

// largeSweep writes the tables of a sweep of 300 trials: three filters, five sizes,
// four inflations and five replicates, 500 cycles each.
func largeSweep(t *testing.T) string {
	t.Helper()
	const cycles = 500
	dir := t.TempDir()
	write := func(name string, columns []table.Column) *table.Writer {
		w, err := table.Create(filepath.Join(dir, name), columns, nil)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	text := func(name string) table.Column { return table.Column{Name: name, Type: table.Text} }
	whole := func(name string) table.Column { return table.Column{Name: name, Type: table.Int32} }
	number := func(name string) table.Column { return table.Column{Name: name, Type: table.Float64} }
	head := []table.Column{whole("trial"), whole("replicate"), text("filter"), whole("cycle"), number("time")}
	trials := write("trials.arrow", []table.Column{whole("trial"), whole("replicate"), text("filter"), text("plugin"), whole("size"), text("status"), whole("cycles"), number("filter.enkf.params.inflation")})
	scores := write("cycles.arrow", slices.Concat(head, []table.Column{text("stage"), number("rmse"), number("spread"), number("bias"), number("crps_fair"), number("weights_ess")}))
	metrics := write("metrics.arrow", []table.Column{whole("trial"), whole("replicate"), whole("truth"), text("filter"), text("metric"), text("stage"), number("value"), number("se"), whole("cycles"), text("status")})
	innovations := write("innovations.arrow", slices.Concat(head, []table.Column{number("nis"), number("rms_expected"), number("x")}))
	variables := write("variables.arrow", slices.Concat(head, []table.Column{text("stage"), text("variable"), whole("index"), number("truth"), number("mean"), number("spread"), number("q05"), number("q25"), number("q50"), number("q75"), number("q95")}))
	ahead := []table.Column{number("lead"), text("of"), text("variable")}
	forecasts := write("forecasts.arrow", slices.Concat(head, ahead, []table.Column{whole("index"), number("mean"), number("spread"), number("q05"), number("q25"), number("q50"), number("q75"), number("q95")}))
	leads := write("forecast_scores.arrow", slices.Concat(head[:3], ahead, []table.Column{text("metric"), number("value"), number("se"), whole("count")}))
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = 1 + 0.2*r.NormFloat64()
		}
		return v
	}
	count := func(n, each int) ([]int32, []float64) {
		k, at := make([]int32, n), make([]float64, n)
		for i := range k {
			k[i], at[i] = int32(i/each+1), 0.1*float64(i/each+1)
		}
		return k, at
	}
	trial := int32(0)
	for _, size := range []int32{10, 20, 50, 100, 200} {
		for _, inflation := range []float64{1, 1.02, 1.05, 1.1} {
			for _, filter := range []string{"enkf", "joint", "particle"} {
				for replicate := int32(1); replicate <= 5; replicate++ {
					trial++
					add := func(w *table.Writer, n, each int, rest ...any) {
						k, at := count(n, each)
						if err := w.Append(n, append([]any{slices.Repeat([]int32{trial}, n), slices.Repeat([]int32{replicate}, n), slices.Repeat([]string{filter}, n), k, at}, rest...)...); err != nil {
							t.Fatal(err)
						}
					}
					if err := trials.Append(1, []int32{trial}, []int32{replicate}, []string{filter}, []string{"p"}, []int32{size}, []string{"ok"}, []int32{cycles}, []float64{inflation}); err != nil {
						t.Fatal(err)
					}
					values := [][]float64{random(2 * cycles), random(2 * cycles), random(2 * cycles), random(2 * cycles), slices.Repeat([]float64{float64(size)}, 2*cycles)}
					add(scores, 2*cycles, 2, slices.Repeat([]string{"forecast", "analysis"}, cycles), values[0], values[1], values[2], values[3], values[4])
					for i, name := range []string{"rmse", "spread", "bias", "crps_fair", "weights_ess"} {
						for k, stage := range []string{"forecast", "analysis"} {
							var series []float64
							for at := k; at < 2*cycles; at += 2 {
								series = append(series, values[i][at])
							}
							m := score.TimeMean(series)
							if err := metrics.Append(1, []int32{trial}, []int32{replicate}, []int32{0}, []string{filter}, []string{name}, []string{stage}, []float64{m.Value}, []float64{m.SE}, []int32{cycles}, []string{"ok"}); err != nil {
								t.Fatal(err)
							}
						}
					}
					const issued, until = 10, 24
					n := issued * until
					lead := make([]float64, n)
					for i := range lead {
						lead[i] = 0.1 * float64(i%until+1)
					}
					state, x := slices.Repeat([]string{"state"}, n), slices.Repeat([]string{"x"}, n)
					add(forecasts, n, until, lead, state, x, make([]int32, n), random(n), random(n), random(n), random(n), random(n), random(n), random(n))
					for _, name := range []string{"rmse", "spread", "bias", "crps_fair", "coverage_50", "coverage_90", "persistence_rmse", "persistence_crps", "climatology_rmse", "climatology_crps"} {
						if err := leads.Append(until, slices.Repeat([]int32{trial}, until), slices.Repeat([]int32{replicate}, until), slices.Repeat([]string{filter}, until), lead[:until], state[:until], x[:until],
							slices.Repeat([]string{name}, until), random(until), random(until), slices.Repeat([]int32{issued}, until)); err != nil {
							t.Fatal(err)
						}
					}
					add(innovations, cycles, 1, random(cycles), random(cycles), random(cycles))
					n = 6 * cycles
					add(variables, n, 6, slices.Repeat([]string{"forecast", "forecast", "forecast", "analysis", "analysis", "analysis"}, cycles), slices.Repeat([]string{"x", "y", "z"}, 2*cycles), slices.Repeat([]int32{0}, n),
						random(n), random(n), random(n), random(n), random(n), random(n), random(n), random(n))
				}
			}
		}
	}
	for _, w := range []*table.Writer{trials, scores, metrics, forecasts, leads, innovations, variables} {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	workflow := archivetest.Workflow(0, []string{"enkf", "joint", "particle"}, "[sweep]\nreplicate = \"1..5\"\n[sweep.axes]\n\"ensemble.size\" = [10, 20, 50, 100, 200]\n\"filter.enkf.params.inflation\" = [1, 1.02, 1.05, 1.1]\n")
	for name, text := range map[string]string{"run.json": `{"format": 1, "name": "large", "status": "ok"}`, "workflow.toml": workflow, "workflow.resolved.toml": workflow} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// While a run goes on its page is written again and again, loads itself again, and
// holds more cycles each time; the last one does not load itself.
func TestReportWatch(t *testing.T) {
	r := begin(t, 6000)
	if err := r.Process.Signal(syscall.SIGSTOP); err != nil { // until there is a page, which may take longer than the run
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	reloading, sizes := []bool{}, []int{}
	_, err := report.Watch(ctx, r.dir, nil, 200*time.Millisecond, func(path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		reloading = append(reloading, strings.Contains(string(text), "data-reload="))
		sizes = append(sizes, len(text))
		if err := r.Process.Signal(syscall.SIGCONT); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	r.end(t, 30*time.Second)
	n := len(reloading)
	if n < 2 || slices.Contains(reloading[:n-1], false) || reloading[n-1] {
		t.Errorf("pages that load themselves: %v", reloading)
	}
	if sizes[n-1] <= sizes[0] {
		t.Errorf("sizes %v", sizes)
	}
	if left, _ := filepath.Glob(filepath.Join(r.dir, ".report-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A report that is watched ends with a run that is killed, and says so.
func TestReportWatchOfKilled(t *testing.T) {
	r := begin(t, 15_000)
	time.AfterFunc(300*time.Millisecond, func() { _ = r.Process.Kill() })
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	var last string
	if _, err := report.Watch(ctx, r.dir, nil, 100*time.Millisecond, func(path string) { last = path }); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(last)
	if err != nil || strings.Contains(string(text), "data-reload=") || !strings.Contains(string(text), ">stopped<") {
		t.Errorf("the last page does not say that the run was stopped, %v", err)
	}
	var stderr strings.Builder
	if code := Main([]string{"compare", r.dir}, io.Discard, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "plume resume "+r.dir) {
		t.Errorf("compare: exit code %d, %s", code, stderr.String())
	}
}
