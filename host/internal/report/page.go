package report

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
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
	"github.com/plume-da/plume/host/internal/compare"
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
	//go:embed web/charts/*.js
	chartScripts embed.FS
)

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// view is the data of the page's template.
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
	Bad         bool // the status needs attention
	Error       string
	Facts       [][2]string
	Notes       []string
	Omitted     []string     // charts that are left out, and why
	Scores      []*textTable // by stage
	Pivots      []*textTable
	Differences *textTable
	Timings     *textTable
	Leads       *textTable
	Replicas    *textTable
	Failures    *textTable
	Events      *textTable
	Sources     []source
	Python      string
	Arrow       string
	Charts      map[string][]shownChart // that apply, by section
	Data        template.JS
}

// source is what a run was made with.
type source struct {
	Name            string // empty: there is one run
	Given, Resolved string
	Overrides       []string
	Plugins         *textTable
}

// textTable is a table of text.
type textTable struct {
	ID, Caption, Note string
	Head              []headCell
	Rows              [][]textCell
}

// Long reports whether a table should be folded.
func (t *textTable) Long() bool { return len(t.Rows) > 40 }

// Numeric reports whether column i holds numbers.
func (t *textTable) Numeric(i int) bool {
	return slices.ContainsFunc(t.Rows, func(row []textCell) bool { return row[i].Number && row[i].Text != "" })
}

type headCell struct{ Text, About string }

// Parts returns the text split at the points where a line may break.
func (c headCell) Parts() []string { return strings.SplitAfter(c.Text, "_") }

// textCell is a cell with its key for sorting.
type textCell struct {
	Text   string
	Key    string
	Head   bool
	Number bool
	Flag   bool // needs attention
	Best   bool // of its column
}

// page returns the page. If reload is not 0, the page reloads itself after that time.
func (r *Report) page(reload time.Duration) ([]byte, error) {
	data, err := json.Marshal(r.data())
	if err != nil {
		return nil, err
	}
	v := r.view()
	v.Data = template.JS(data) // json.Marshal escapes <, > and &
	v.Reload = int(math.Ceil(reload.Seconds()))
	style, script := uplotStyle+"\n"+pageStyle, uplotScript+"\n"+script()
	v.Style, v.Script = template.CSS(style), template.JS(script)
	v.Policy = fmt.Sprintf("default-src 'none'; script-src %s; style-src %s; base-uri 'none'; form-action 'none'", hash(script), hash(style))
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// script returns the page's own script: page.js with the drawings of all charts in it.
func script() string {
	var drawings strings.Builder
	for _, c := range charts {
		text, err := chartScripts.ReadFile("web/charts/" + c.name + ".js")
		if err != nil {
			panic(err) // it is part of the program
		}
		drawings.Write(text)
	}
	return strings.Replace(pageScript, "  // CHARTS\n", drawings.String(), 1)
}

// hash returns the hash of a script or style for a Content-Security-Policy.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (r *Report) view() *view {
	info, ids := r.reader.Info, r.ids()
	v := &view{
		Name: info.Name, Description: r.setup.Description, ID: filepath.Base(r.reader.Dir), Status: info.StatusText(), Error: info.Error, Notes: r.notes, Omitted: r.omitted,
		Bad: r.bad(), License: uplotLicense, Facts: r.facts(), Failures: r.failuresTable(), Events: r.eventsTable(), Timings: r.timingsTable(), Leads: r.leadsTable(), Replicas: r.replicasTable(),
		Differences: r.differencesTable(), Pivots: r.pivots(), Charts: r.charts(),
	}
	v.Python = fmt.Sprintf("import plume\n\nrun = plume.open_run(%q)\nmetrics = run.table(\"metrics\")\ncycles = run.table(\"cycles\")\n", ids[0])
	v.Arrow = fmt.Sprintf("import pyarrow as pa, pyarrow.ipc\n\nmetrics = pa.ipc.open_file(%q).read_all().to_pandas()\n", ids[0]+"/metrics.arrow")
	for i, p := range r.all() {
		s := source{Given: p.given, Resolved: p.resolved, Overrides: p.reader.Info.Set, Plugins: p.pluginsTable()}
		if r.parts != nil {
			s.Name = letter(i) + ": " + ids[i]
			s.Plugins.ID += "-" + letter(i)
		}
		v.Sources = append(v.Sources, s)
	}
	if r.parts != nil {
		v.Name, v.ID, v.Description, v.Error = fmt.Sprintf("Comparison of %d runs", len(r.parts)), strings.Join(ids, " "), "", ""
		v.Facts = nil
		statuses := []string{}
		for i, p := range r.parts {
			v.Facts = append(v.Facts, [2]string{letter(i) + ", " + p.reader.Info.StatusText(), strings.TrimPrefix(ids[i], "runs/")})
			statuses = append(statuses, p.reader.Info.StatusText())
		}
		v.Status = strings.Join(slices.Compact(statuses), ", ")
	}
	for _, stage := range []string{archive.Analysis, archive.Forecast} {
		if t := r.scoresTable(stage); t != nil {
			if len(v.Scores) > 0 {
				t.Note = "" // the same
			}
			v.Scores = append(v.Scores, t)
		}
	}
	return v
}

// facts returns the names and values in the head of the page.
func (r *Report) facts() [][2]string {
	var list [][2]string
	add := func(name, text string) {
		if text != "" {
			list = append(list, [2]string{name, text})
		}
	}
	add("model", r.setup.Model)
	add("observed by", strings.Join(r.setup.Operators, ", "))
	add("filters", strconv.Itoa(len(r.filters)))
	add("trials", strconv.Itoa(len(r.trials)))
	if r.setup.Cycles > 0 {
		add("cycles", fmt.Sprintf("%d, the first %d not scored", r.setup.Cycles, r.setup.BurnIn))
	}
	if r.setup.Interval > 0 {
		unit, each := r.leadUnit(r.setup.Interval)
		add("interval", fmt.Sprintf("%.6g %s", each*r.setup.Interval, cmp.Or(unit, "time units")))
	}
	add("seed", strconv.FormatInt(r.reader.Info.Seed, 10))
	add("profile", r.reader.Info.Profile)
	add("started", r.reader.Info.Started.UTC().Format("2006-01-02 15:04 UTC"))
	if r.reader.Info.Finished != nil {
		add("took", r.reader.Info.Finished.Sub(r.reader.Info.Started).Round(100*time.Millisecond).String())
	}
	add("plume", r.reader.Info.Plume)
	return list
}

// stages are those of a cycle.
var stages = []string{archive.Forecast, archive.Analysis}

// truthful reports whether the truth is known.
func (r *Report) truthful() bool { return slices.Contains(r.overTime, "rmse") }

// scoresTable returns the table of filters and all their scores at one stage.
func (r *Report) scoresTable(stage string) *textTable {
	t := &textTable{ID: "scores-" + stage, Caption: "Scores of the " + stage, Head: r.settingHead()}
	var shown []compare.Metric
	for _, m := range r.metrics {
		if m.Stage == stage {
			shown, t.Head = append(shown, m), append(t.Head, headCell{m.Name, about(m.Name)})
		}
	}
	if len(shown) == 0 {
		return nil
	}
	t.Head = append(t.Head, headCell{"status", ""})
	several, bold, incomparable, lines := false, false, "", map[*row]int{}
	for _, w := range slices.Concat(r.rows, r.baselines) {
		if !slices.ContainsFunc(shown, func(m compare.Metric) bool { return w.cells[m].Applies }) {
			continue // an estimate that has no score of this stage
		}
		line := r.settingCells(w)
		several = several || len(w.Trials) > 1
		for _, m := range shown {
			line = append(line, cellOf(w.cells[m]))
		}
		lines[w] = len(t.Rows)
		t.Rows = append(t.Rows, append(line, textCell{Text: w.Status(), Flag: w.Lost()}))
	}
	for k, m := range shown {
		best, why := r.best(m)
		if best >= 0 {
			t.Rows[lines[r.rows[best]]][len(t.Head)-1-len(shown)+k].Best = true
			bold = true
		}
		incomparable = cmp.Or(incomparable, why)
	}
	t.Note = "Time means after burn-in ± standard error, corrected for autocorrelation. A trial that diverged or failed has none: – (0/1)."
	if several {
		t.Note = "Means over replicates of time means after burn-in ± standard error over replicates; " +
			"(8/10) means that two of ten diverged, failed or were stopped, and are not included. " +
			"rank_flatness_p is that of the sum of the rank histograms of all replicates."
	}
	switch {
	case bold:
		t.Note += " Bold: the lowest of the settings of which all trials ended well, of scores of which less is better."
	case incomparable != "":
		t.Note += " No number is bold: " + incomparable + "."
	}
	for _, p := range r.all() {
		t.Note = strings.Join(append([]string{t.Note}, p.reader.Info.Notes...), " ")
	}
	return t
}

// best returns the row with the best value of a score; -1 and why if there is none.
func (r *Report) best(m compare.Metric) (int, string) {
	if !score.IsLoss(m.Name) {
		return -1, ""
	}
	rows := make([]compare.Row, len(r.rows))
	for i, w := range r.rows {
		rows[i] = compare.Row{Group: w.Group, Run: w.run, Mean: w.cells[m]}
	}
	return compare.Best(rows)
}

// about returns the description of a score.
func about(metric string) string {
	s, _ := score.Find(metric)
	return s.About
}

// settingHead returns the head of the columns that identify a setting.
func (r *Report) settingHead() []headCell {
	head := []headCell{{"filter", ""}, {"N", "ensemble size"}}
	for _, a := range r.axes {
		if a.name != sizeAxis {
			head = append(head, headCell{a.label, a.name})
		}
	}
	return head
}

func (r *Report) settingCells(w *row) []textCell {
	line := []textCell{{Text: w.Filter, Head: true}, {Text: w.SizeText(), Number: true}}
	for i, a := range r.axes {
		if a.name != sizeAxis {
			line = append(line, textCell{Text: r.at(w, i), Number: a.numbers != nil})
		}
	}
	return line
}

func cellOf(c compare.Mean) textCell {
	cell := textCell{Number: true}
	if c.Applies {
		cell.Text, cell.Key = typeset(c.Text()), key(c.Value)
	}
	return cell
}

func key(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'g', 8, 64)
}

// typeset replaces hyphens with minus signs.
func typeset(number string) string { return strings.ReplaceAll(number, "-", "−") }

// pivots returns tables of the main score by filter and by the values of the first axis,
// which is the ensemble size if that is an axis.
func (r *Report) pivots() []*textTable {
	if len(r.axes) == 0 {
		return nil
	}
	var list []*textTable
	for _, metric := range slices.Compact([]string{r.opening, "rmse"}) {
		if t := r.pivot(0, metric); t != nil {
			list = append(list, t)
		}
	}
	return list
}

func (r *Report) pivot(at int, metric string) *textTable {
	a := r.axes[at]
	t := &textTable{ID: "pivot-" + metric, Caption: fmt.Sprintf("%s of the %s by %s", metric, r.metric(metric).Stage, a.label), Head: []headCell{{"filter", ""}}}
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
	for _, w := range r.rows {
		if w.setting[at] < 0 {
			continue
		}
		others := slices.Clone(w.setting)
		others[at] = 0
		name := fmt.Sprint(w.Filter, others)
		if _, ok := lines[name]; !ok {
			lines[name] = len(t.Rows)
			line := []textCell{{Text: w.Filter, Head: true}}
			for i, b := range r.axes {
				if i != at {
					line = append(line, textCell{Text: r.at(w, i), Number: b.numbers != nil})
				}
			}
			t.Rows = append(t.Rows, append(line, make([]textCell, len(a.values))...))
		}
		c := w.cells[r.metric(metric)]
		filled = filled || c.OK > 0
		t.Rows[lines[name]][len(t.Head)-len(a.values)+w.setting[at]] = cellOf(c)
	}
	if !filled {
		return nil
	}
	return t
}

func (r *Report) differencesTable() *textTable {
	if len(r.comparisons) == 0 {
		return nil
	}
	t := &textTable{ID: "differences-table", Caption: "Paired differences to " + r.against, Head: r.settingHead(),
		Note: "Negative: better than the baseline on the same observations. Wins: share of cycles or, with several replicates, number of replicates in which the filter is better."}
	others := func(w *row) bool { return w.Filter != r.against }
	several := len(r.runs) > 1 || len(slices.DeleteFunc(slices.Clone(r.rows), others)) > 1
	if several && r.parts == nil {
		t.Note += " If the baseline has several settings, the best one is used, with as many members if there is one."
	}
	for _, c := range r.comparisons {
		t.Head = append(t.Head, headCell{"Δ " + c.Name, ""}, headCell{"wins", "pairs in which " + c.Name + " is smaller than the baseline's"})
		if several {
			t.Head = append(t.Head, headCell{"to", "the setting of the baseline"})
		}
	}
	for _, w := range r.rows {
		line, there := r.settingCells(w), false
		for _, c := range r.comparisons {
			cells := make([]textCell, 2, 3)
			if several {
				cells = cells[:3]
			}
			if d := c.Of(w.Group); d != nil {
				there = true
				cells[0] = textCell{Text: typeset(d.Text()), Key: key(d.Value), Number: true}
				cells[1] = textCell{Text: d.WinsText(), Key: key(d.Wins / float64(d.Count)), Number: true}
				if several {
					cells[2].Text = r.labelOf(d.Partner)
				}
			}
			line = append(line, cells...)
		}
		if there {
			t.Rows = append(t.Rows, line)
		}
	}
	return t
}

func (r *Report) timingsTable() *textTable {
	t := &textTable{ID: "timings-table", Caption: "Wall time of a cycle, median", Head: append(r.settingHead(),
		headCell{"forecast", "milliseconds"}, headCell{"observe", "milliseconds"}, headCell{"analyse", "milliseconds"}), Note: "In milliseconds; medians over cycles, then over replicates."}
	filled := false
	for _, w := range r.rows {
		line := r.settingCells(w)
		for _, s := range r.seconds(w) {
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
func (r *Report) seconds(w *row) [3]float64 {
	var out [3]float64
	for part := range out {
		var values []float64
		for _, t := range w.trials {
			if s := t.seconds[part]; !math.IsNaN(s) {
				values = append(values, s)
			}
		}
		out[part] = median(values)
	}
	return out
}

func (r *Report) failuresTable() *textTable {
	t := &textTable{ID: "failures-table", Caption: "Trials that diverged, failed or were stopped"}
	t.Head = append([]headCell{{"trial", ""}, {"replicate", ""}}, append(r.settingHead(), headCell{"status", ""}, headCell{"cycles", "completed"}, headCell{"error", ""})...)
	for _, failed := range r.trials {
		if slices.Contains([]archive.Status{archive.OK, archive.Running, archive.Waiting}, failed.Status) {
			continue
		}
		line := []textCell{{Text: strconv.Itoa(failed.Trial.Trial), Head: true, Number: true}, {Text: failed.Repetition(), Number: true}}
		line = append(line, r.settingCells(failed.row)...)
		t.Rows = append(t.Rows, append(line, textCell{Text: string(failed.Status), Flag: true}, textCell{Text: strconv.Itoa(failed.Cycles), Number: true}, textCell{Text: failed.Error}))
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return t
}

// mostEvents is the number of failures of members and calls that are listed.
const mostEvents = 100

// eventsTable lists the failures that on_failure and on_divergence applied to.
func (r *Report) eventsTable() *textTable {
	if len(r.failures) == 0 {
		return nil
	}
	t := &textTable{ID: "events-table", Caption: "Failures handled by on_failure and on_divergence"}
	for _, name := range []string{"trial", "replicate", "filter", "cycle", "call", "member", "members", "reason", "action"} {
		t.Head = append(t.Head, headCell{name, ""})
	}
	whole := func(n int) textCell { return textCell{Text: strconv.Itoa(n), Number: true} }
	for _, f := range r.failures[:min(len(r.failures), mostEvents)] {
		t.Rows = append(t.Rows, []textCell{
			whole(f.Trial), whole(f.Replicate), {Text: f.Filter}, whole(f.Cycle), {Text: f.Call},
			whole(f.Member), whole(f.Members), {Text: f.Reason}, {Text: f.Action},
		})
	}
	if len(r.failures) > mostEvents {
		t.Note = fmt.Sprintf("The first %d of %d; all are in failures.arrow.", mostEvents, len(r.failures))
	}
	return t
}

func (r *Report) pluginsTable() *textTable {
	t := &textTable{ID: "plugins-table", Caption: "Plugins of the run", Head: []headCell{{"plugin", ""}, {"version", ""}, {"SHA-256 of the program", ""}, {"SHA-256 of the manifest", ""}}}
	for _, p := range r.reader.Info.Plugins {
		t.Rows = append(t.Rows, []textCell{{Text: p.Name, Head: true}, {Text: p.Version}, {Text: p.SHA256}, {Text: p.Manifest}})
	}
	return t
}
