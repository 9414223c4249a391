package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/score"
)

// uPlot 1.6.32, https://github.com/leeoniya/uPlot, MIT license; see web/uplot/LICENSE.
var (
	//go:embed web/uplot/uPlot.iife.min.js
	uplotScript string
	//go:embed web/uplot/uPlot.min.css
	uplotStyle string
	//go:embed web/uplot/LICENSE
	uplotLicense string

	//go:embed web/page.html
	pageText string
	//go:embed web/page.css
	pageStyle string
	//go:embed web/page.js
	pageScript string
)

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// view is what the page's template shows.
type view struct {
	Policy      string
	Style       template.CSS
	Script      template.JS
	License     string
	Reload      int // seconds; 0: no
	Name        string
	Description string
	ID          string
	Status      string
	Bad         bool // the status is one to look at
	Error       string
	Facts       [][2]string
	Notes       []string
	Scores      []*textTable // by stage
	Pivots      []*textTable
	Differences *textTable
	Timings     *textTable
	Failures    *textTable
	Events      *textTable
	Plugins     *textTable
	Given       string
	Resolved    string
	Overrides   []string
	Python      string
	Arrow       string
	Has         map[string]bool // charts that apply
	Data        template.JS
}

// textTable is a table for people.
type textTable struct {
	ID, Caption, Note string
	Head              []headCell
	Rows              [][]textCell
}

// Long says whether a table is better folded.
func (t *textTable) Long() bool { return len(t.Rows) > 40 }

// Numeric says whether column i holds numbers.
func (t *textTable) Numeric(i int) bool {
	return slices.ContainsFunc(t.Rows, func(row []textCell) bool { return row[i].Number && row[i].Text != "" })
}

type headCell struct{ Text, About string }

// Parts returns the text cut where a line may end.
func (c headCell) Parts() []string { return strings.SplitAfter(c.Text, "_") }

// textCell is a cell and what it is sorted by.
type textCell struct {
	Text   string
	Key    string
	Head   bool
	Number bool
	Flag   bool // to look at
}

// page returns the page. With reload it loads itself again after so long.
func (r *run) page(reload time.Duration) ([]byte, error) {
	data, err := json.Marshal(r.data())
	if err != nil {
		return nil, err
	}
	v := r.view()
	v.Data = template.JS(data) // json.Marshal escapes <, > and &
	v.Reload = int(math.Ceil(reload.Seconds()))
	style, script := uplotStyle+"\n"+pageStyle, uplotScript+"\n"+pageScript
	v.Style, v.Script = template.CSS(style), template.JS(script)
	v.Policy = fmt.Sprintf("default-src 'none'; script-src %s; style-src %s; base-uri 'none'; form-action 'none'", hash(script), hash(style))
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// hash names a script or style for a Content-Security-Policy.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (r *run) view() *view {
	id := filepath.Base(r.dir)
	v := &view{
		Name: r.info.Name, Description: r.setup.Description, ID: id, Status: string(r.info.Status), Error: r.info.Error, Notes: r.notes,
		Bad: slices.Contains([]archive.Status{archive.Failed, archive.SomeFailed, archive.Interrupted, archive.Stopped}, r.info.Status), License: uplotLicense,
		Given: r.given, Resolved: r.resolved, Overrides: r.info.Set, Plugins: r.pluginsTable(), Failures: r.failuresTable(), Events: r.eventsTable(), Timings: r.timingsTable(),
		Differences: r.differencesTable(), Pivots: r.pivots(), Has: r.has(),
	}
	path := "runs/" + r.info.Name + "/" + id
	v.Python = fmt.Sprintf("import plume\n\nrun = plume.open_run(%q)\nmetrics = run.table(\"metrics\").to_pandas()\ncycles = run.table(\"cycles\").to_pandas()\n", path)
	v.Arrow = fmt.Sprintf("import pyarrow as pa, pyarrow.ipc\n\nmetrics = pa.ipc.open_file(%q).read_all().to_pandas()\n", path+"/metrics.arrow")
	for _, stage := range []string{archive.Analysis, archive.Forecast} {
		if t := r.scoresTable(stage); t != nil {
			v.Scores = append(v.Scores, t)
		}
	}
	v.Facts = r.facts()
	return v
}

// facts are what the head of the page says in a few words.
func (r *run) facts() [][2]string {
	var list [][2]string
	add := func(name, text string) {
		if text != "" {
			list = append(list, [2]string{name, text})
		}
	}
	add("model", r.setup.Model)
	add("observed by", strings.Join(r.setup.Operators, ", "))
	add("filters", strconv.Itoa(len(r.filters())))
	add("trials", strconv.Itoa(len(r.trials)))
	if r.setup.Cycles > 0 {
		add("cycles", fmt.Sprintf("%d, the first %d not scored", r.setup.Cycles, r.setup.BurnIn))
	}
	if r.setup.Interval > 0 {
		add("interval", fmt.Sprintf("%g time units", r.setup.Interval))
	}
	add("seed", strconv.FormatInt(r.info.Seed, 10))
	add("profile", r.info.Profile)
	add("started", r.info.Started.UTC().Format("2006-01-02 15:04 UTC"))
	if r.info.Finished != nil {
		add("took", r.info.Finished.Sub(r.info.Started).Round(100*time.Millisecond).String())
	}
	add("plume", r.info.Plume)
	return list
}

// has says which charts apply.
func (r *run) has() map[string]bool {
	has := map[string]bool{"axis": len(r.axes) > 0, "curves": len(r.shown) > 0, "field": r.field != nil, "differences": len(r.differences(archive.Analysis)) > 0}
	has["truth"] = r.truthful()
	has["phase"] = r.field == nil && len(r.shown) >= 2 && !slices.ContainsFunc(r.shown, func(c component) bool { return !c.scalar })
	for _, t := range r.trials {
		has["scores"] = has["scores"] || len(t.stages) > 0
		has["innovations"] = has["innovations"] || t.innovations != nil
		has["ranks"] = has["ranks"] || has["truth"] && len(t.ranks) > 0
		has["timings"] = has["timings"] || t.seconds[2] > 0
		for _, s := range t.stages {
			has["ess"] = has["ess"] || varies(s.values["weights_ess"])
		}
	}
	return has
}

// truthful says whether the truth is known.
func (r *run) truthful() bool {
	return slices.ContainsFunc(r.trials, func(t *trial) bool {
		for _, s := range t.stages {
			if slices.ContainsFunc(s.values["rmse"], func(v float64) bool { return !math.IsNaN(v) }) {
				return true
			}
		}
		return false
	})
}

// varies says whether a series has two different values.
func varies(values []float64) bool {
	return slices.ContainsFunc(values, func(v float64) bool { return v != values[0] })
}

// metricAbout says what the columns of the score table hold, in their order.
var metricAbout = []headCell{
	{"rmse", "root mean square error of the ensemble mean, time mean"},
	{"spread", "standard deviation of the members, time mean"},
	{"spread_skill", "spread over rmse, 1 for a calibrated ensemble"},
	{"crps_fair", "continuous ranked probability score, fair to small ensembles"},
	{"w2_reference", "2-Wasserstein distance to the reference posterior"},
	{"held_out_rmse", "root mean square error of predictions of observations that were held out"},
	{"held_out_spread", "what that should be when spread and observation error explain it"},
	{"innovation_rms", "root mean square innovation"},
	{"nis", "normalised innovation squared, 1 for a consistent forecast"},
	{"coverage_90", "share of truths inside the central 90 % of members"},
	{"weights_ess", "effective sample size of the weights"},
	{"rank_flatness_p", "p-value of a flat rank histogram"},
}

// scoresTable is the table of filters and their scores at one stage.
func (r *run) scoresTable(stage string) *textTable {
	rows := r.rows()
	var shown []headCell
	for _, m := range metricAbout {
		if slices.ContainsFunc(rows, func(w *row) bool { return w.cell(stage, m.Text).used > 0 }) {
			shown = append(shown, m)
		}
	}
	if len(shown) == 0 {
		return nil
	}
	t := &textTable{ID: "scores-" + stage, Caption: "Scores of the " + stage, Head: r.settingHead()}
	t.Head = append(append(t.Head, shown...), headCell{"status", ""})
	several := false
	for _, w := range rows {
		line := r.settingCells(w)
		several = several || len(w.trials) > 1
		for _, m := range shown {
			line = append(line, cellOf(w.cell(stage, m.Text)))
		}
		bad := slices.ContainsFunc(w.trials, (*trial).lost)
		t.Rows = append(t.Rows, append(line, textCell{Text: w.status(), Flag: bad}))
	}
	t.Rows = append(t.Rows, r.baselineRows(stage, shown)...)
	t.Note = "Time means after burn-in ± standard error, which allows for autocorrelation."
	if several {
		t.Note = "Means over replicates of time means after burn-in ± standard error over replicates; (8/10) says that two of ten failed or diverged and are left out."
	}
	return t
}

// settingHead is the head of the columns that name a setting.
func (r *run) settingHead() []headCell {
	head := []headCell{{"filter", ""}, {"N", "ensemble size"}}
	for _, a := range r.axes {
		if a.name != sizeAxis {
			head = append(head, headCell{a.label, a.name})
		}
	}
	return head
}

func (r *run) settingCells(w *row) []textCell {
	t := w.trials[0]
	line := []textCell{{Text: w.filter, Head: true}, {Text: sizeText(t.size), Number: true}}
	for i, a := range r.axes {
		if a.name != sizeAxis {
			line = append(line, textCell{Text: r.at(t, i), Number: a.numbers != nil})
		}
	}
	return line
}

func sizeText(size int) string {
	if size == 0 {
		return ""
	}
	return strconv.Itoa(size)
}

// baselineRows are the estimates that know no observations, averaged over replicates.
func (r *run) baselineRows(stage string, shown []headCell) [][]textCell {
	var names []string
	for _, b := range r.baselines {
		if b.stage == stage && !slices.Contains(names, b.name) {
			names = append(names, b.name)
		}
	}
	var rows [][]textCell
	for _, name := range names {
		line := append([]textCell{{Text: name, Head: true}}, make([]textCell, len(r.settingHead())-1)...)
		for _, m := range shown {
			line = append(line, cellOf(r.baseline(name, stage, m.Text)))
		}
		rows = append(rows, append(line, textCell{}))
	}
	return rows
}

func (r *run) baseline(name, stage, metric string) cell {
	var values []float64
	c := cell{mean: score.Mean{Value: math.NaN(), SE: math.NaN()}}
	for _, b := range r.baselines {
		if b.name == name && b.stage == stage && b.metric == metric {
			values, c.mean = append(values, b.mean.Value), b.mean
		}
	}
	if len(values) > 1 {
		c.mean = over(values)
	}
	c.used, c.of = len(values), len(values)
	return c
}

func cellOf(c cell) textCell {
	if c.used == 0 && c.of <= 1 {
		return textCell{Number: true}
	}
	text := plusMinus(c.mean)
	if c.used < c.of {
		text += fmt.Sprintf(" (%d/%d)", c.used, c.of)
	}
	return textCell{Text: strings.TrimSpace(text), Key: key(c.mean.Value), Number: true}
}

func key(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'g', 8, 64)
}

// plusMinus writes a mean with two digits of its standard error.
func plusMinus(m score.Mean) string {
	switch {
	case math.IsNaN(m.Value):
		return "–"
	case math.IsNaN(m.SE) || m.SE == 0 || math.IsInf(m.SE, 0) || math.IsInf(m.Value, 0):
		return strings.Replace(fmt.Sprintf("%.3g", m.Value), "-", "−", 1)
	}
	digits := min(8, max(0, 1-int(math.Floor(math.Log10(m.SE)))))
	return strings.Replace(fmt.Sprintf("%.*f ± %.*f", digits, m.Value, digits, m.SE), "-", "−", 1)
}

// pivots are tables of filters by the values of the first axis, ensemble size if it
// is one, of the main score.
func (r *run) pivots() []*textTable {
	if len(r.axes) == 0 {
		return nil
	}
	var list []*textTable
	for _, metric := range []string{"w2_reference", "rmse"} {
		if t := r.pivot(0, metric); t != nil {
			list = append(list, t)
		}
	}
	return list
}

func (r *run) pivot(at int, metric string) *textTable {
	a := r.axes[at]
	t := &textTable{ID: "pivot-" + metric, Caption: fmt.Sprintf("%s of the analysis by %s", metric, a.label), Head: []headCell{{"filter", ""}}}
	for i, b := range r.axes {
		if i != at {
			t.Head = append(t.Head, headCell{b.label, b.name})
		}
	}
	for _, v := range a.values {
		t.Head = append(t.Head, headCell{v, ""})
	}
	lines := map[string]int{}
	filled := false
	for _, w := range r.rows() {
		first := w.trials[0]
		if first.setting[at] < 0 {
			continue
		}
		others := slices.Clone(first.setting)
		others[at] = 0
		name := fmt.Sprint(w.filter, others)
		if _, ok := lines[name]; !ok {
			lines[name] = len(t.Rows)
			line := []textCell{{Text: w.filter, Head: true}}
			for i, b := range r.axes {
				if i != at {
					line = append(line, textCell{Text: r.at(first, i), Number: b.numbers != nil})
				}
			}
			t.Rows = append(t.Rows, append(line, make([]textCell, len(a.values))...))
		}
		c := w.cell(archive.Analysis, metric)
		filled = filled || c.used > 0
		t.Rows[lines[name]][len(t.Head)-len(a.values)+first.setting[at]] = cellOf(c)
	}
	if !filled {
		return nil
	}
	return t
}

func (r *run) differencesTable() *textTable {
	list := r.differences(archive.Analysis)
	if len(list) == 0 {
		return nil
	}
	t := &textTable{ID: "differences-table", Caption: "Paired differences of the analysis to " + r.baselineLabel(), Head: r.settingHead(),
		Note: "Negative: better than the baseline on the same truth and observations. Wins: share of cycles, or of replicates where there are several, in which it is."}
	var shown []string
	for _, m := range losses {
		if slices.ContainsFunc(list, func(d difference) bool { _, ok := d.scores[m]; return ok }) {
			shown = append(shown, m)
			t.Head = append(t.Head, headCell{"Δ " + m, ""}, headCell{"wins", "share of pairs in which " + m + " is smaller than the baseline's"})
		}
	}
	for _, d := range list {
		line := r.settingCells(d.row)
		for _, m := range shown {
			p, ok := d.scores[m]
			if !ok {
				line = append(line, textCell{}, textCell{})
				continue
			}
			line = append(line, textCell{Text: plusMinus(p.mean), Key: key(p.mean.Value), Number: true},
				textCell{Text: fmt.Sprintf("%.0f %%", 100*p.wins), Key: key(p.wins), Number: true})
		}
		t.Rows = append(t.Rows, line)
	}
	return t
}

func (r *run) timingsTable() *textTable {
	t := &textTable{ID: "timings-table", Caption: "Wall time of a cycle, median", Head: append(r.settingHead(),
		headCell{"forecast", "milliseconds"}, headCell{"observe", "milliseconds"}, headCell{"analyse", "milliseconds"}), Note: "In milliseconds; medians over cycles, then over replicates."}
	filled := false
	for _, w := range r.rows() {
		line := r.settingCells(w)
		for _, s := range w.seconds() {
			cell := textCell{Number: true}
			if s > 0 {
				cell.Text, cell.Key, filled = fmt.Sprintf("%.3g", 1e3*s), key(s), true
			}
			line = append(line, cell)
		}
		t.Rows = append(t.Rows, line)
	}
	if !filled {
		return nil
	}
	return t
}

// seconds returns the medians of the parts of a cycle over the trials of a setting.
func (w *row) seconds() [3]float64 {
	var out [3]float64
	for part := range out {
		var values []float64
		for _, t := range w.trials {
			if !math.IsNaN(t.seconds[part]) {
				values = append(values, t.seconds[part])
			}
		}
		out[part] = median(values)
	}
	return out
}

func (r *run) failuresTable() *textTable {
	t := &textTable{ID: "failures-table", Caption: "Trials that did not end well"}
	t.Head = append([]headCell{{"trial", ""}, {"replicate", ""}}, append(r.settingHead(), headCell{"status", ""}, headCell{"cycles", "completed"}, headCell{"error", ""})...)
	for _, failed := range r.trials {
		if failed.status == archive.OK || failed.status == archive.Running || failed.status == waiting {
			continue
		}
		line := []textCell{{Text: strconv.Itoa(failed.number), Head: true, Number: true}, {Text: failed.repetition(), Number: true}}
		line = append(line, r.settingCells(&row{failed.filter, []*trial{failed}})...)
		t.Rows = append(t.Rows, append(line, textCell{Text: string(failed.status), Flag: true}, textCell{Text: strconv.Itoa(failed.cycles), Number: true}, textCell{Text: failed.failure}))
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return t
}

// mostEvents is how many failures of members and calls are listed.
const mostEvents = 100

// eventsTable lists the failures of which on_failure decided.
func (r *run) eventsTable() *textTable {
	f := r.failures
	if f.Rows == 0 {
		return nil
	}
	t := &textTable{ID: "events-table", Caption: "Failures that the workflow says what to do about"}
	for _, name := range f.Names {
		t.Head = append(t.Head, headCell{name, ""})
	}
	for i := range min(f.Rows, mostEvents) {
		var line []textCell
		for _, values := range f.Columns {
			_, whole := values.([]int32)
			line = append(line, textCell{Text: texts(values)[i], Number: whole})
		}
		t.Rows = append(t.Rows, line)
	}
	if f.Rows > mostEvents {
		t.Note = fmt.Sprintf("The first %d of %d; all are in failures.arrow.", mostEvents, f.Rows)
	}
	return t
}

func (r *run) pluginsTable() *textTable {
	if len(r.info.Plugins) == 0 {
		return nil
	}
	t := &textTable{ID: "plugins-table", Caption: "Plugins of the run", Head: []headCell{{"plugin", ""}, {"version", ""}, {"SHA-256 of the program", ""}, {"SHA-256 of the manifest", ""}}}
	for _, p := range r.info.Plugins {
		t.Rows = append(t.Rows, []textCell{{Text: p.Name, Head: true}, {Text: p.Version}, {Text: p.SHA256}, {Text: p.Manifest}})
	}
	return t
}
