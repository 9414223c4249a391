//go:build linux

package cli

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/score"
)

// axeCore returns the script of axe-core that PLUME_AXE names, which make browser installs; empty
// if it names none. It is not a part of plume.
func axeCore(t *testing.T) string {
	t.Helper()
	path := os.Getenv("PLUME_AXE")
	if path == "" {
		return ""
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// checkAccess wants axe-core, if there is one, to find nothing.
func (b *browser) checkAccess(t *testing.T, axe string) {
	t.Helper()
	if axe == "" {
		return
	}
	eval[any](t, b, axe+";0")
	for _, found := range eval[[]string](t, b, `axe.run(document, { resultTypes: ["violations"] }).then(r => r.violations.map(v => v.id + ": " + v.help + ": " + v.nodes.slice(0, 3).map(n => n.target.join(" ") + " " + n.failureSummary.split("\\n")[1]).join("; ")))`) {
		t.Error(found)
	}
}

// checkKeys wants every chart to say values when it has the focus and an arrow key is pressed.
func (b *browser) checkKeys(t *testing.T) {
	t.Helper()
	silent := eval[[]string](t, b, `[...document.querySelectorAll("figure[data-chart]")].filter(f => {
		const targets = [...f.querySelectorAll(".plot [tabindex='0']")], said = document.getElementById("said");
		return !targets.length || targets.some(e => {
			said.textContent = "";
			e.focus();
			e.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
			const first = said.textContent;
			e.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
			return document.activeElement !== e || !/\d/.test(first) || !/\d/.test(said.textContent);
		});
	}).map(f => f.dataset.chart)`)
	if len(silent) > 0 {
		t.Errorf("charts without values for the keyboard: %v", silent)
	}
}

// pdfPage finds the object with the content of a sheet.
var pdfPage = regexp.MustCompile(`(?s)/Type /Page\b.*?/Contents (\d+) 0 R`)

// checkPages wants a printed page to have text on every sheet.
func (b *browser) checkPages(t *testing.T) {
	t.Helper()
	printed, err := chromedp.Call(b.ctx, page.PrintToPDF, page.PrintToPDFParams{PrintBackground: new(bool)})
	if err != nil {
		t.Fatal(err)
	}
	sheets := pdfPage.FindAllSubmatch(printed.Data, -1)
	if len(sheets) < 2 {
		t.Fatalf("%d sheets", len(sheets))
	}
	for i, sheet := range sheets {
		_, object, _ := bytes.Cut(printed.Data, []byte("\n"+string(sheet[1])+" 0 obj"))
		_, stream, _ := bytes.Cut(object, []byte("stream\n"))
		r, err := zlib.NewReader(bytes.NewReader(stream))
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(content, []byte("BT")) {
			t.Errorf("sheet %d of %d is blank", i+1, len(sheets))
		}
	}
}

// checkNumbers wants every score on the page of runs to be that of compare, in its data to the
// last digit and in its tables as text.
func (b *browser) checkNumbers(t *testing.T, path string, dirs ...string) {
	t.Helper()
	onPage := &pageJSON{}
	readPageData(t, path, onPage)
	checked := 0
	for _, stage := range []string{archive.Analysis, archive.Forecast} {
		for _, metric := range eval[[]string](t, b, `[...document.querySelectorAll("#scores-`+stage+` thead th")].map(th => th.textContent).filter(name => !["filter", "N", "status"].includes(name))`) {
			if _, ok := score.Find(metric); !ok {
				continue // an axis of the sweep
			}
			var rows []comparedJSON
			stdout, _ := out(t, exitOK, append([]string{"compare", "--metric", metric, "--stage", stage, "--format", "json"}, dirs...)...)
			if err := json.Unmarshal([]byte(stdout), &rows); err != nil {
				t.Fatal(err)
			}
			filters := slices.DeleteFunc(slices.Clone(rows), func(r comparedJSON) bool { return r.Members == 0 })
			if len(filters) != len(onPage.Points) {
				t.Fatalf("%s: %d rows, want %d", metric, len(onPage.Points), len(filters))
			}
			if len(dirs) > 1 { // labels name the run too
				for i := range onPage.Filters {
					_, onPage.Filters[i], _ = strings.Cut(": "+onPage.Filters[i], ": ")
					onPage.Filters[i] = onPage.Filters[i][strings.LastIndex(onPage.Filters[i], ": ")+1:]
					onPage.Filters[i] = strings.TrimPrefix(onPage.Filters[i], " ")
				}
			}
			sameAsPage(t, filters, metric, stage, onPage)
			shown := eval[[]string](t, b, `(table => {
				const at = [...table.tHead.rows[0].cells].findIndex(th => th.textContent === "`+metric+`");
				return [...table.tBodies[0].rows].map(r => r.cells[at].textContent);
			})(document.querySelector("#scores-`+stage+`"))`)
			for i, row := range filters {
				checked++
				if want := strings.ReplaceAll(meanText(row), "-", "−"); i < len(shown) && shown[i] != "" && shown[i] != want && want != "?" {
					t.Errorf("%s of the %s, %s: the table says %q, want %q", metric, stage, row.Filter, shown[i], want)
				}
			}
		}
	}
	if checked == 0 {
		t.Error("no score was compared")
	}
}

// dateOnAxis is what charts write at dates: a year, a month, a day or an hour.
var dateOnAxis = regexp.MustCompile(`^(\d{4}(-\d\d(-\d\d)?)?|\d\d-\d\d \d\d:\d\d)$`)

// checkDates wants every chart over time to show dates and no model time, and every chart of
// values in a unit to show the unit.
func (b *browser) checkDates(t *testing.T, path, unit string, inUnit ...string) {
	t.Helper()
	b.open(t, path, 1280)
	texts := eval[map[string][]string](t, b, `(() => {
		const draw = CanvasRenderingContext2D.prototype.fillText, texts = new Map();
		CanvasRenderingContext2D.prototype.fillText = function (text, ...more) { texts.set(this.canvas, [...texts.get(this.canvas) || [], text]); return draw.call(this, text, ...more); };
		for (const event of ["beforeprint", "afterprint"]) dispatchEvent(new Event(event)); // all is drawn again
		return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
			CanvasRenderingContext2D.prototype.fillText = draw;
			done(Object.fromEntries([...document.querySelectorAll("figure[data-chart]")].map(f => [f.dataset.chart, [...f.querySelectorAll("canvas")].flatMap(c => texts.get(c) || [])])));
		})));
	})()`)
	for _, chart := range []string{"rmse", "score", "innovations", "nis", "ess", "diagnostics", "parameters", "trajectory", "latest", "field", "fan"} {
		if list, there := texts[chart]; there && (!slices.ContainsFunc(list, dateOnAxis.MatchString) || slices.Contains(list, "model time")) {
			t.Errorf("%s has no dates, or model time: %q", chart, list)
		}
	}
	for _, chart := range inUnit {
		if !slices.ContainsFunc(texts[chart], func(text string) bool { return strings.Contains(text, "("+unit+")") || text == unit }) {
			t.Errorf("%s has no unit %s: %q", chart, unit, texts[chart])
		}
	}
}

const reportedParameters = `format = 1
[experiment]
name = "parameters"
seed = 3
[time]
cycles = 40
interval = 0.1
burn_in = 10
[model]
plugin = "lorenz63"
[model.estimate.rho]
init = { dist = "normal", mean = 30.0, sd = 2.0 }
walk_sd = 0.01
[truth]
init = [1.5, -1.5, 25.5]
params = { rho = 28.0 }
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
[output]
ensemble = "both"
`

// reportedWindows has a smoother over windows of cycles and one over the whole record.
const reportedWindows = `[[filter]]
label = "window"
plugin = "filter-enkf"
window = "auto"
smooth = { lag = 4 }
params = { scheme = "etkf", inflation = 1.05 }
[[filter]]
label = "record"
plugin = "filter-enkf"
window = { length = "all", passes = 2 }
params = { scheme = "etkf" }
`

const reportedPlane = `format = 1
[experiment]
name = "plane"
seed = 3
[time]
cycles = 25
interval = 2.0
step = 0.5
burn_in = 3
[model]
plugin = "shallow-water"
params = { rows = 8, columns = 12, jets = 1 }
[truth]
init = { dist = "normal", mean = { h = 1.0, u = 0.0, v = 0.0 }, sd = { h = 0.01, u = 0.05, v = 0.05 } }
spin_up = 50.0
[observations]
plugin = "obs-nonlinear"
params = { operator = "identity", stride = 5 }
error = { sd = 0.01 }
[ensemble]
size = 10
init = { dist = "normal", around = "truth", sd = { h = 0.01, u = 0.03, v = 0.03 } }
[[filter]]
label = "letkf"
plugin = "filter-enkf"
params = { scheme = "letkf", cutoff = 4.0, inflation = 1.02 }
`

// The pages of runs of every kind: all charts are drawn and reached by keys, all filters are shown,
// every number is compare's, and a printed page has no blank sheet. make browser adds axe-core.
func TestReportOfManyKinds(t *testing.T) {
	b := openBrowser(t)
	common := []string{"rmse", "score", "innovations", "nis", "trajectory", "ranks", "coverage", "decomposition", "residuals", "skill", "cost", "timings"}
	with := func(more ...string) []string { return slices.Concat(common, more) }
	checkAll := func(t *testing.T, path string, dirs []string, charts []string) {
		t.Helper()
		b.check(t, path, charts...)
		b.checkNumbers(t, path, dirs...)
		b.checkKeys(t)
		b.checkPages(t)
		if off := eval[[]string](t, b, `[...document.querySelectorAll("#controls fieldset input")].filter(x => !x.checked).map(x => x.parentNode.textContent)`); len(off) > 0 {
			t.Errorf("filters are hidden: %v", off)
		}
		for _, fault := range b.take() {
			t.Error(fault)
		}
	}
	for _, run := range []struct {
		name, text string
		charts     []string
	}{
		{"twin", strings.Replace(reportedTwin, "cycles = 60", "cycles = 200", 1), with("ess", "differences", "diagnostics", "latest", "marginals", "phase", "members")},
		{"sweep", reportedTwin + reportedSweep, with("axis", "heat", "ess", "differences", "diagnostics", "latest", "marginals", "phase", "members")},
		{"parameters", reportedParameters, with("diagnostics", "parameters", "latest", "marginals", "phase", "members")},
		{"windows", strings.Replace(reportedTwin, "cycles = 60", "cycles = 30", 1) + reportedWindows, with("ess", "differences", "diagnostics", "latest", "marginals", "phase", "members", "lags", "unknowns", "misfit", "fitted")},
		{"two dimensions", reportedPlane, with("diagnostics", "latest", "marginals", "members", "maps")},
		{"n = 1000", strings.NewReplacer("n = 12", "n = 1000", `scheme = "etkf"`, `scheme = "letkf", cutoff = 10.0`).Replace(reportedField) + "[output]\nvariables = 200\n", with("diagnostics", "latest", "marginals", "members", "field", "profile")},
	} {
		t.Run(run.name, func(t *testing.T) {
			path := reported(t, run.text)
			checkAll(t, path, []string{filepath.Dir(path)}, run.charts)
		})
	}
	t.Run("forecast of a dated twin", func(t *testing.T) {
		dir := runText(t, reportedForecast)
		path := reportOf(t, dir)
		checkAll(t, path, []string{dir}, with("ess", "differences", "diagnostics", "latest", "marginals", "fan", "leads", "exceed"))
		checkForecasts(t, path, dir)
		b.checkDates(t, path, "m", "rmse", "score", "innovations", "differences", "trajectory", "latest", "marginals", "skill", "cost", "fan", "leads")
		for _, c := range []struct{ chart, selector, value string }{
			{"fan", `figure[data-chart=fan] select`, "1"},
			{"fan", `figure[data-chart=fan] input`, "3"},
			{"leads", `figure[data-chart=leads] select`, "crps_fair"},
			{"exceed", `figure[data-chart=exceed] select`, "x > -0.5"},
		} {
			before := eval[string](t, b, shown(c.chart))
			b.choose(t, c.selector, c.value)
			if after := eval[string](t, b, shown(c.chart)); after == before {
				t.Errorf("%s = %s does not change the chart %s", c.selector, c.value, c.chart)
			}
		}
	})
	t.Run("real data", func(t *testing.T) {
		workflow, err := os.ReadFile("../../../workflows/nile.toml")
		if err != nil {
			t.Fatal(err)
		}
		data, err := filepath.Abs("../../../workflows/data")
		if err != nil {
			t.Fatal(err)
		}
		path := reported(t, strings.Replace(string(workflow), `"data/`, `"`+data+`/`, 1))
		checkAll(t, path, []string{filepath.Dir(path)}, []string{"rmse", "score", "innovations", "nis", "ess", "differences", "diagnostics", "trajectory", "latest", "marginals", "residuals", "cost", "timings"})
		b.checkDates(t, path, "1e8 m3", "rmse", "innovations", "differences", "trajectory", "latest", "marginals", "cost")
	})
	t.Run("failed trial", func(t *testing.T) {
		text := reportedTwin + "[[filter]]\nlabel = \"blind\"\nplugin = \"filter-enkf\"\nparams = { inflation = 1e160 }\n"
		root := t.TempDir()
		file := filepath.Join(root, "w.toml")
		if err := os.WriteFile(file, []byte(strings.Replace(text, "cycles = 60", "cycles = 200", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		var stdout strings.Builder
		if code := Main([]string{"run", "-q", file, "--run-dir", root}, &stdout, io.Discard); code == exitOK {
			t.Fatal("no trial failed")
		}
		dir := strings.TrimSpace(stdout.String())
		checkAll(t, reportOf(t, dir), []string{dir}, with("ess", "differences", "diagnostics", "latest", "marginals", "phase", "members"))
		if text := eval[string](t, b, `document.getElementById("controls").innerText`); !strings.Contains(strings.Join(strings.Fields(text), " "), "blind failed") {
			t.Errorf("the choice of filters does not say that one has failed: %s", text)
		}
	})
	t.Run("several", func(t *testing.T) {
		a, c := filepath.Dir(reported(t, reportedTwin)), filepath.Dir(reported(t, strings.Replace(reportedTwin, "size = 10", "size = 20", 1)))
		path := filepath.Join(t.TempDir(), "both.html")
		out(t, exitOK, "report", a, c, "--output", path)
		checkAll(t, path, []string{a, c}, with("ess", "differences", "diagnostics", "latest", "marginals", "phase", "members"))
	})
}
