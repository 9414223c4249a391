package report

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/compare"
	"github.com/plume-da/plume/host/internal/score"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgpdf"
	"gonum.org/v1/plot/vg/vgsvg"
)

// ErrFormat is the error of an unsupported format of figures.
var ErrFormat = errors.New("want svg, png or pdf")

// figure is panels below one another or side by side, and the size of one.
type figure struct {
	name          string
	panels        [][]*plot.Plot
	width, height vg.Length
}

// columnWidth is the width of a figure that fits one of two columns of a page.
const columnWidth = 8.8 * vg.Centimeter

// figurePoints is how many points of a series a figure shows.
const figurePoints = 1000

// Figures writes the figures that apply into a folder, by default the folder figures of the run,
// and returns their paths. Figures of single trials are of the first replicate and the first value of
// every axis. The same run gives the same bytes.
func (r *Report) Figures(folder, format string) ([]string, error) {
	if !slices.Contains([]string{"svg", "png", "pdf"}, format) {
		return nil, fmt.Errorf("got %q, %w", format, ErrFormat)
	}
	folder = cmp.Or(folder, filepath.Join(r.reader.Dir, archive.FiguresDir))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	if info, err := os.Lstat(folder); err != nil || !info.IsDir() {
		return nil, cmp.Or(err, fmt.Errorf("%s: got a link, want a folder; remove it", folder))
	}
	var paths []string
	for _, f := range r.figures() {
		path := filepath.Join(folder, f.name+"."+format)
		if err := f.write(path, format); err != nil {
			return paths, fmt.Errorf("%s: %w", path, err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}

func (f *figure) write(path, format string) error {
	rows, cols := len(f.panels), len(f.panels[0])
	w, h := f.width*vg.Length(cols), f.height*vg.Length(rows)
	var canvas vg.CanvasWriterTo
	switch format {
	case "svg":
		canvas = vgsvg.New(w, h)
	case "png":
		canvas = vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(w, h), vgimg.UseDPI(200))}
	case "pdf":
		fpdf.SetDefaultCreationDate(time.Unix(0, 0).UTC()) // the same bytes whenever it is made
		fpdf.SetDefaultModificationDate(time.Unix(0, 0).UTC())
		fpdf.SetDefaultCatalogSort(true)
		canvas = vgpdf.New(w, h)
	}
	tiles := draw.Tiles{Rows: rows, Cols: cols, PadX: vg.Points(8), PadY: vg.Points(6), PadTop: vg.Points(4), PadBottom: vg.Points(4), PadLeft: vg.Points(4), PadRight: vg.Points(10)}
	page := draw.New(drawable{canvas})
	page.FillPolygon(color.White, []vg.Point{page.Min, {X: page.Max.X, Y: page.Min.Y}, page.Max, {X: page.Min.X, Y: page.Max.Y}}) // also where pages are dark
	cells := plot.Align(f.panels, tiles, page)
	for i, row := range f.panels {
		for j, p := range row {
			if p != nil {
				p.Draw(cells[i][j])
			}
		}
	}
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return err
	}
	text := b.Bytes()
	if format == "svg" { // fields fill their boxes, whatever the shape of a pixel
		text = bytes.ReplaceAll(text, []byte("<image "), []byte(`<image preserveAspectRatio="none" `))
	}
	return replace(path, text)
}

// losses returns the score that charts open at and the usual ones of which less is better.
func (r *Report) losses() []string {
	names := []string{r.opening}
	for _, s := range score.Shown(r.truthful()) {
		if s.Loss && !s.ByVariable && s.Name != r.opening {
			names = append(names, s.Name)
		}
	}
	return names
}

// first returns the trials of the first replicate and the first value of every axis.
func (r *Report) first() []*trial {
	var list []*trial
	for _, t := range r.trials {
		if t.Repetition() == r.trials[0].Repetition() && !slices.ContainsFunc(t.row.setting, func(v int) bool { return v > 0 }) {
			list = append(list, t)
		}
	}
	return list
}

// The colours are Paul Tol's "bright" scheme, which colour-blind readers can tell
// apart; filters after the seventh are dashed.
var (
	palette = []color.Color{color.RGBA{0x44, 0x77, 0xaa, 255}, color.RGBA{0xd1, 0x49, 0x5b, 255}, color.RGBA{0x22, 0x88, 0x33, 255}, color.RGBA{0xb0, 0x8a, 0, 255},
		color.RGBA{0x2c, 0xa6, 0xc9, 255}, color.RGBA{0xaa, 0x33, 0x77, 255}, color.RGBA{0x7a, 0x7a, 0x7a, 255}}
	ink  = color.RGBA{0x1b, 0x1f, 0x24, 255}
	soft = color.RGBA{0x59, 0x63, 0x6e, 255}
	pale = color.RGBA{0xe2, 0xe5, 0xe9, 255}
)

func (r *Report) style(filter string) draw.LineStyle {
	i := slices.Index(r.filters, filter)
	s := draw.LineStyle{Color: palette[i%len(palette)], Width: vg.Points(1)}
	if i >= len(palette) {
		s.Dashes = []vg.Length{vg.Points(4), vg.Points(2)}
	}
	return s
}

// panel returns an empty plot in the figures' style.
func panel(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	for _, s := range []*draw.TextStyle{&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle} {
		s.Font.Variant, s.Font.Size, s.Color = "Sans", vg.Points(8), ink
	}
	p.Title.TextStyle.Font.Size = vg.Points(9)
	p.Title.Padding = vg.Points(4)
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.LineStyle.Color, a.LineStyle.Width, a.Tick.LineStyle.Color, a.Tick.LineStyle.Width, a.Tick.Length = soft, vg.Points(.5), soft, vg.Points(.5), vg.Points(3)
		a.Padding = vg.Points(2)
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = roundTicks(6), roundTicks(5)
	p.Legend.Top = true
	p.Legend.ThumbnailWidth = vg.Points(16)
	p.Legend.Padding = vg.Points(1)
	return p
}

// roundTicks puts ticks at about so many round values.
type roundTicks int

func (n roundTicks) Ticks(low, high float64) []plot.Tick {
	raw := (high - low) / float64(n)
	step := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, k := range []float64{1, 2, 5, 10} {
		if k*step >= raw {
			step *= k
			break
		}
	}
	var list []plot.Tick
	for k := math.Ceil(low/step - 1e-9); k*step <= high+1e-9*step && len(list) <= 2*int(n); k++ { // k+1 may be k, if it is large
		v := k*step + 0 // no -0
		label := trimmed(v)
		list = append(list, plot.Tick{Value: v, Label: label})
	}
	return list
}

// trimmed returns a number of an axis as text.
func trimmed(v float64) string {
	return strings.Replace(strconv.FormatFloat(v, 'g', 6, 64), "-", "−", 1)
}

// room widens the vertical axis by shares of its length.
func room(p *plot.Plot, below, above float64) {
	length := p.Y.Max - p.Y.Min
	p.Y.Min, p.Y.Max = p.Y.Min-below*length, p.Y.Max+above*length
}

// addLine adds a series to a plot, in pieces where it is not finite.
func addLine(p *plot.Plot, xs, ys []float64, style draw.LineStyle) {
	var piece plotter.XYs
	flush := func() {
		if len(piece) > 1 {
			p.Add(&plotter.Line{XYs: piece, LineStyle: style})
		}
		piece = nil
	}
	for i, y := range ys {
		if math.IsNaN(y) || math.IsInf(y, 0) {
			flush()
			continue
		}
		piece = append(piece, plotter.XY{X: xs[i], Y: y})
	}
	flush()
}

// thumb shows a line in a legend.
type thumb draw.LineStyle

func (t thumb) Thumbnail(c *draw.Canvas) {
	y := c.Center().Y
	c.StrokeLine2(draw.LineStyle(t), c.Min.X, y, c.Max.X, y)
}

// timeFigure draws series of the trials, the second of a trial dashed; long ones by their means over
// blocks of cycles.
func (r *Report) timeFigure(name, title, label string, trials []*trial, of func(*trial) (*sampled, []string)) *figure {
	p := panel(title, r.timeLabel(), label)
	r.timeAxis(p)
	drawn, block := 0, 0
	for _, t := range trials {
		all, names := of(t)
		if all == nil || all.n < 2 {
			continue
		}
		s := all.short()
		if all.long() { // as on the page: single cycles of several filters hide one another
			s, block = all.means(), max(block, all.n/blocks)
		}
		drawn++
		style := r.style(t.Filter)
		for i, n := range names {
			l := style
			if i > 0 {
				l.Width, l.Dashes = vg.Points(.6), []vg.Length{vg.Points(2), vg.Points(1.5)}
			}
			addLine(p, s.Time, s.Values[n], l)
		}
		p.Legend.Add(t.Filter, thumb(style))
	}
	if drawn == 0 {
		return nil
	}
	if block > 0 {
		p.Title.Text = strings.TrimPrefix(fmt.Sprintf("%s; means over %d cycles", title, block), "; ")
	}
	room(p, 0.03, 0.07*float64(drawn)) // for the legend
	return &figure{name, [][]*plot.Plot{{p}}, columnWidth, 5.5 * vg.Centimeter}
}

// axisFigure draws a score of all filters against an axis, with standard errors; the
// other axes have their first values.
func (r *Report) axisFigure(at int, metric string) *figure {
	a := r.axes[at]
	xs := a.numbers
	if xs == nil {
		for i := range a.values {
			xs = append(xs, float64(i))
		}
	}
	p := panel("", a.label, withUnit(metric+" of the "+r.metric(metric).Stage, r.scoreUnit(metric)))
	place := func(x float64) float64 { return x }
	if a.numbers != nil && xs[0] > 0 && xs[len(xs)-1] >= 8*xs[0] {
		p.X.Scale, place = plot.LogScale{}, math.Log
	}
	p.X.Tick.Marker = valueTicks(xs, a.values, place)
	drawn := 0
	for _, label := range r.filters {
		points := r.along(at, label, metric, xs)
		if len(points.XYs) == 0 {
			continue
		}
		drawn++
		style := r.style(label)
		points.draw(p, style)
		p.Legend.Add(label, thumb(style))
	}
	if drawn == 0 {
		return nil
	}
	p.X.Min, p.X.Max = widened(p, xs)
	room(p, 0.03, 0.05+0.06*float64(drawn)) // for the legend
	name := strings.NewReplacer(".", "-", "_", "-").Replace(metric + "-by-" + a.name)
	return &figure{name, [][]*plot.Plot{{p}}, columnWidth, 6.5 * vg.Centimeter}
}

// valueTicks puts a tick at each value, with its label if that has room after the one before.
func valueTicks(xs []float64, labels []string, place func(float64) float64) plot.ConstantTicks {
	const letter = 0.025 // of the axis
	length, end := place(xs[len(xs)-1])-place(xs[0]), math.Inf(-1)
	var ticks plot.ConstantTicks
	for i, x := range xs {
		tick, at, half := plot.Tick{Value: x}, place(x)/length, letter*float64(len(labels[i]))/2
		if at-half >= end {
			tick.Label, end = labels[i], at+half+letter
		}
		ticks = append(ticks, tick)
	}
	return ticks
}

// widened leaves room beside the outermost points.
func widened(p *plot.Plot, xs []float64) (low, high float64) {
	low, high = xs[0], xs[len(xs)-1]
	if _, ok := p.X.Scale.(plot.LogScale); ok {
		f := math.Pow(high/low, 0.06)
		return low / f, high * f
	}
	room := 0.06 * (high - low)
	return low - room, high + room
}

// errorPoints are points with standard errors.
type errorPoints struct {
	plotter.XYs
	plotter.YErrors
}

// draw adds the points to a plot, with a line through them and bars of an error.
func (e errorPoints) draw(p *plot.Plot, style draw.LineStyle) {
	p.Add(&plotter.Line{XYs: e.XYs, LineStyle: style})
	if bars, err := plotter.NewYErrorBars(e); err == nil {
		bars.LineStyle = draw.LineStyle{Color: style.Color, Width: vg.Points(.8)}
		bars.CapWidth = vg.Points(4)
		p.Add(bars)
	}
	p.Add(&plotter.Scatter{XYs: e.XYs, GlyphStyle: draw.GlyphStyle{Color: style.Color, Radius: vg.Points(2), Shape: draw.CircleGlyph{}}})
}

func (r *Report) along(at int, label, metric string, xs []float64) errorPoints {
	var e errorPoints
	type point struct {
		x, y, se float64
	}
	var list []point
	for _, w := range r.rows {
		others := slices.Clone(w.setting)
		others[at] = 0
		if w.Filter != label || w.setting[at] < 0 || slices.ContainsFunc(others, func(v int) bool { return v > 0 }) {
			continue
		}
		if m := w.cells[r.metric(metric)]; m.OK > 0 && !math.IsNaN(m.Value) && !math.IsInf(m.Value, 0) {
			list = append(list, point{xs[w.setting[at]], m.Value, m.SE})
		}
	}
	slices.SortFunc(list, func(a, b point) int { return cmp.Compare(a.x, b.x) })
	for _, p := range list {
		if math.IsNaN(p.se) || math.IsInf(p.se, 0) {
			p.se = 0
		}
		e.XYs = append(e.XYs, plotter.XY{X: p.x, Y: p.y})
		e.YErrors = append(e.YErrors, struct{ Low, High float64 }{p.se, p.se})
	}
	return e
}

func (r *Report) ranksFigure(trials []*trial) *figure {
	const columns = 2
	var panels []*plot.Plot
	for _, t := range trials {
		counts := t.Ranks[archive.Analysis]
		if !slices.ContainsFunc(counts, func(c float64) bool { return c > 0 }) {
			continue
		}
		h := histogramOf(counts, t.IndependentRanks(archive.Analysis))
		p := panel(fmt.Sprintf("%s, N = %d", t.Filter, len(counts)-1), "rank of the truth", "relative frequency")
		low, high := -0.5, float64(len(counts))-0.5
		if h.high > 0 {
			p.Add(filled(pale, plotter.XYs{{X: low, Y: h.low}, {X: high, Y: h.low}, {X: high, Y: h.high}, {X: low, Y: h.high}}))
		}
		for i, y := range h.heights {
			a, b := h.edges[i]+0.02*(h.edges[i+1]-h.edges[i]), h.edges[i+1]
			p.Add(filled(faded(r.style(t.Filter).Color, 0.75), plotter.XYs{{X: a, Y: 0}, {X: b, Y: 0}, {X: b, Y: y}, {X: a, Y: y}}))
		}
		addLine(p, []float64{low, high}, []float64{1, 1}, draw.LineStyle{Color: ink, Width: vg.Points(.6), Dashes: []vg.Length{vg.Points(3), vg.Points(2)}})
		p.X.Min, p.X.Max, p.Y.Min = low, high, 0
		p.X.Tick.Marker = roundTicks(4)
		room(p, 0, 0.06)
		panels = append(panels, p)
	}
	if panels == nil {
		return nil
	}
	return &figure{"rank-histograms", inRows(panels, columns), columnWidth / columns, 4 * vg.Centimeter}
}

// inRows puts panels into rows of so many; if there are several, the last one is filled up.
func inRows(panels []*plot.Plot, columns int) [][]*plot.Plot {
	rows := slices.Collect(slices.Chunk(panels, columns))
	if last := len(rows) - 1; last > 0 {
		rows[last] = slices.Concat(rows[last], make([]*plot.Plot, columns-len(rows[last])))
	}
	return rows
}

// skillFigure draws error against spread.
func (r *Report) skillFigure(trials []*trial) *figure {
	p := panel("", withUnit("spread", r.scoreUnit("spread")), withUnit("RMSE", r.scoreUnit("rmse")))
	low, high, drawn := math.Inf(1), math.Inf(-1), 0
	for _, t := range trials {
		skill, ok := t.skill[archive.Analysis]
		if !ok {
			continue
		}
		spread, rmse := skill[0], skill[1]
		drawn++
		style := r.style(t.Filter)
		addLine(p, spread, rmse, style)
		for i := range spread {
			low, high = min(low, spread[i], rmse[i]), max(high, spread[i], rmse[i])
		}
		p.Legend.Add(t.Filter, thumb(style))
	}
	if drawn == 0 {
		return nil
	}
	addLine(p, []float64{low, high}, []float64{low, high}, draw.LineStyle{Color: ink, Width: vg.Points(.6), Dashes: []vg.Length{vg.Points(3), vg.Points(2)}})
	room(p, 0.03, 0.07*float64(drawn)) // for the legend
	return &figure{"error-against-spread", [][]*plot.Plot{{p}}, columnWidth, 7.5 * vg.Centimeter}
}

func filled(c color.Color, corners plotter.XYs) *plotter.Polygon {
	return &plotter.Polygon{XYs: []plotter.XYs{corners}, Color: c}
}

// faded returns a colour mixed with white: figures have no transparency, which some
// printers lack.
func faded(c color.Color, share float64) color.Color {
	r, g, b, _ := c.RGBA()
	mix := func(v uint32) uint8 { return uint8(math.Round(share*float64(v>>8) + (1-share)*255)) }
	return color.RGBA{mix(r), mix(g), mix(b), 255}
}

// trajectoryCycles is how many of the last cycles a trajectory shows.
const trajectoryCycles = 100

func (r *Report) trajectoryFigure(t *trial) *figure {
	var panels [][]*plot.Plot
	for k, s := range t.curves[archive.Analysis] {
		if k == 3 || len(s.Time) < 2 {
			break
		}
		from := max(0, len(s.Time)-trajectoryCycles)
		xs := s.Time[from:]
		part := func(name string) []float64 {
			if s.Values[name] == nil {
				return nil
			}
			return s.Values[name][from:]
		}
		c := r.shown[k]
		p := panel("", "", withUnit(c.label(), c.unit))
		own := r.style(t.Filter).Color
		band(p, xs, part("q05"), part("q95"), faded(own, 0.25))
		band(p, xs, part("q25"), part("q75"), faded(own, 0.5))
		for _, d := range []struct {
			name  string
			style draw.GlyphStyle
		}{
			{"observed", draw.GlyphStyle{Color: soft, Radius: vg.Points(1), Shape: draw.CircleGlyph{}}},
			{"held_out", draw.GlyphStyle{Color: soft, Radius: vg.Points(1.8), Shape: draw.RingGlyph{}}},
			{"rejected", draw.GlyphStyle{Color: palette[1], Radius: vg.Points(2), Shape: draw.CrossGlyph{}}},
		} {
			dots(p, xs, part(d.name), d.style)
		}
		truth, mean := draw.LineStyle{Color: ink, Width: vg.Points(.8)}, draw.LineStyle{Color: own, Width: vg.Points(1)}
		addLine(p, xs, part("truth"), truth)
		addLine(p, xs, part("mean"), mean)
		room(p, 0.03, 0.03)
		if k == 0 {
			p.Title.Text = t.Filter + ": mean, bands of 50 and 90 %"
			if slices.ContainsFunc(part("truth"), func(v float64) bool { return !math.IsNaN(v) }) {
				p.Title.Text = t.Filter + ": truth (black), mean, bands of 50 and 90 %"
			}
		}
		panels = append(panels, []*plot.Plot{p})
	}
	if panels == nil {
		return nil
	}
	r.timeAxes(panels)
	return &figure{"trajectory-" + fileName(t.Filter), panels, columnWidth, 3.4 * vg.Centimeter}
}

// parametersFigure draws the estimates of parameters over time, one below the other: means of
// all filters, bands of 90 % of the members, and the truth.
func (r *Report) parametersFigure(trials []*trial) *figure {
	var panels [][]*plot.Plot
	for k, c := range r.shown {
		if !slices.Contains(r.setup.Parameters, c.variable) {
			continue
		}
		p := panel("", "", withUnit(c.label(), c.unit))
		var drawn []*trial
		var estimates []*series
		for _, t := range trials {
			if curves := t.curves[archive.Analysis]; curves != nil && len(curves[k].Time) > 1 {
				s := thin(curves[k], figurePoints)
				drawn, estimates = append(drawn, t), append(estimates, s)
				band(p, s.Time, s.Values["q05"], s.Values["q95"], faded(r.style(t.Filter).Color, 0.25))
			}
		}
		if drawn == nil {
			continue
		}
		addLine(p, estimates[0].Time, estimates[0].Values["truth"], draw.LineStyle{Color: ink, Width: vg.Points(.8)})
		for i, t := range drawn {
			addLine(p, estimates[i].Time, estimates[i].Values["mean"], r.style(t.Filter))
			p.Legend.Add(t.Filter, thumb(r.style(t.Filter)))
		}
		room(p, 0.03, 0.09*float64(len(drawn))) // for the legend
		panels = append(panels, []*plot.Plot{p})
	}
	if panels == nil {
		return nil
	}
	r.timeAxes(panels)
	return &figure{"parameters", panels, columnWidth, 5 * vg.Centimeter}
}

func band(p *plot.Plot, xs, low, high []float64, c color.Color) {
	var edge plotter.XYs
	for i, y := range high {
		edge = append(edge, plotter.XY{X: xs[i], Y: y})
	}
	for i, y := range slices.Backward(low) {
		edge = append(edge, plotter.XY{X: xs[i], Y: y})
	}
	if !slices.ContainsFunc(edge, func(q plotter.XY) bool { return math.IsNaN(q.Y) || math.IsInf(q.Y, 0) }) {
		p.Add(filled(c, edge))
	}
}

func dots(p *plot.Plot, xs, ys []float64, style draw.GlyphStyle) {
	var there plotter.XYs
	for i, y := range ys {
		if !math.IsNaN(y) {
			there = append(there, plotter.XY{X: xs[i], Y: y})
		}
	}
	if there != nil {
		p.Add(&plotter.Scatter{XYs: there, GlyphStyle: style})
	}
}

func withUnit(name, unit string) string {
	if unit == "" || unit == "1" {
		return name
	}
	return name + " (" + unit + ")"
}

// fileName keeps of a label what file names take everywhere.
func fileName(label string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' {
			return c
		}
		return '-'
	}, label)
}

func (r *Report) phaseFigure(t *trial) *figure {
	f, ok := t.phase[archive.Analysis]
	if !ok || r.field != nil {
		return nil
	}
	last := len(f.truth) - 1 // the first and the last of three: x and z of Lorenz-63
	title := t.Filter + ": mean"
	if slices.ContainsFunc(f.truth[0], func(v float64) bool { return !math.IsNaN(v) }) {
		title = t.Filter + ": truth (black) and mean"
	}
	p := panel(title, withUnit(r.shown[0].label(), r.shown[0].unit), withUnit(r.shown[last].label(), r.shown[last].unit))
	addLine(p, f.truth[0], f.truth[last], draw.LineStyle{Color: ink, Width: vg.Points(.5)})
	addLine(p, f.mean[0], f.mean[last], draw.LineStyle{Color: r.style(t.Filter).Color, Width: vg.Points(.6)})
	return &figure{"phase-" + fileName(t.Filter), [][]*plot.Plot{{p}}, columnWidth, 7.5 * vg.Centimeter}
}

func (r *Report) fieldFigure(t *trial) *figure {
	m := t.fields[archive.Analysis]
	if m == nil || m.mean.cols < 2 {
		return nil
	}
	low, high := m.mean.span()
	var panels [][]*plot.Plot
	if truth := r.truths[t.truthKey()]; truth != nil && truth.cols > 1 && len(truth.values) == truth.cols*truth.rows {
		if a, b := truth.span(); a < b {
			low, high = min(low, a), max(high, b)
			panels = append(panels, []*plot.Plot{r.raster(truth, fmt.Sprintf("truth: %s from %.3g (dark) to %.3g", r.field.variable, low, high), low, high, sequential)})
		}
	}
	panels = append(panels, []*plot.Plot{r.raster(m.mean, "mean of "+t.Filter+", same colours", low, high, sequential)})
	if a, b := m.error.span(); a < b {
		most := max(math.Abs(a), math.Abs(b))
		panels = append(panels, []*plot.Plot{r.raster(m.error, fmt.Sprintf("mean minus truth, ±%.3g (blue, red)", most), -most, most, diverging)})
	}
	_, most := m.spread.span()
	panels = append(panels, []*plot.Plot{r.raster(m.spread, fmt.Sprintf("spread, 0 to %.3g", most), 0, most, sequential)})
	r.timeAxes(panels)
	return &figure{"field-" + fileName(t.Filter), panels, columnWidth, 3 * vg.Centimeter}
}

func (h *heat) span() (low, high float64) { return finite(h.values) }

// finite returns the smallest and largest finite value.
func finite(values []float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			low, high = min(low, v), max(high, v)
		}
	}
	return low, high
}

// colour is a colour of a ramp.
type colour = color.RGBA

func (r *Report) raster(h *heat, title string, low, high float64, ramp []colour) *plot.Plot {
	p := panel(title, "", r.field.dim)
	rows := r.field.rows
	p.Add(imageOf(h, low, high, ramp, h.times[0], float64(rows[0]), h.times[h.cols-1], float64(rows[len(rows)-1]+1)))
	return p
}

// imageOf returns an image of values between two corners.
func imageOf(h *heat, low, high float64, ramp []colour, left, bottom, right, top float64) *plotter.Image {
	const tall = 4             // pixels a value, so that viewers that smooth do not blur rows
	wide := max(1, 200/h.cols) // and columns, if there are few
	img := image.NewRGBA(image.Rect(0, 0, h.cols*wide, h.rows*tall))
	for k := range h.cols * wide {
		for y := range h.rows * tall {
			v := h.values[k/wide*h.rows+h.rows-1-y/tall]
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				img.Set(k, y, shade(ramp, (v-low)/(high-low)))
			}
		}
	}
	return plotter.NewImage(img, left, bottom, right, top)
}

// Colours of fields, by their corners: viridis and a blue-white-red.
var (
	sequential = corners(0x440154, 0x472d7b, 0x3b528b, 0x2c728e, 0x21918c, 0x28ae80, 0x5ec962, 0xaddc30, 0xfde725)
	diverging  = corners(0x053061, 0x2166ac, 0x67a9cf, 0xd1e5f0, 0xf7f7f7, 0xfddbc7, 0xef8a62, 0xb2182b, 0x67001f)
)

func corners(list ...uint32) []color.RGBA {
	var out []color.RGBA
	for _, c := range list {
		out = append(out, color.RGBA{uint8(c >> 16), uint8(c >> 8), uint8(c), 255})
	}
	return out
}

// shade returns the colour of a share in [0, 1] of a ramp; the first one if it is not a number, as where all
// values are the same.
func shade(ramp []color.RGBA, share float64) color.RGBA {
	if math.IsNaN(share) {
		share = 0
	}
	at := min(max(share, 0), 1) * float64(len(ramp)-1)
	i := min(int(at), len(ramp)-2)
	a, b, f := ramp[i], ramp[i+1], at-float64(i)
	mix := func(x, y uint8) uint8 { return uint8(math.Round(float64(x) + f*(float64(y)-float64(x)))) }
	return color.RGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 255}
}

// mostDifferences is how many differences a figure shows.
const mostDifferences = 30

// differencesFigure draws the paired differences of the opening score with 95 % intervals.
func (r *Report) differencesFigure() *figure {
	at := slices.IndexFunc(r.comparisons, func(c *compare.Comparison) bool { return c.Name == r.opening })
	if at < 0 {
		return nil
	}
	c := r.comparisons[at]
	rows := slices.DeleteFunc(slices.Clone(r.rows), func(w *row) bool { d := c.Of(w.Group); return d == nil || math.IsNaN(d.Value) })
	if len(rows) == 0 {
		return nil
	}
	p := panel("", withUnit("Δ "+c.Name, r.scoreUnit(c.Name))+" to "+r.against+", 95 % interval", "")
	if all := len(rows); all > mostDifferences {
		rows = rows[:mostDifferences]
		p.Title.Text = fmt.Sprintf("the first %d of %d settings", mostDifferences, all)
	}
	ticks := make(plot.ConstantTicks, len(rows))
	for i, w := range rows {
		m, y, own := c.Of(w.Group).Mean, float64(len(rows)-1-i), r.style(w.Filter).Color
		ticks[i] = plot.Tick{Value: y, Label: r.label(w)}
		if !math.IsNaN(m.SE) {
			addLine(p, []float64{m.Value - 1.96*m.SE, m.Value + 1.96*m.SE}, []float64{y, y}, draw.LineStyle{Color: own, Width: vg.Points(1.4)})
		}
		p.Add(&plotter.Scatter{XYs: plotter.XYs{{X: m.Value, Y: y}}, GlyphStyle: draw.GlyphStyle{Color: own, Radius: vg.Points(2.5), Shape: draw.CircleGlyph{}}})
	}
	addLine(p, []float64{0, 0}, []float64{-0.6, float64(len(rows)) - 0.4}, draw.LineStyle{Color: soft, Width: vg.Points(.6), Dashes: []vg.Length{vg.Points(3), vg.Points(2)}})
	p.Y.Tick.Marker = ticks
	p.Y.Min, p.Y.Max = -0.6, float64(len(rows))-0.4
	return &figure{"differences", [][]*plot.Plot{{p}}, columnWidth, vg.Length(1.6+0.55*float64(len(rows))) * vg.Centimeter}
}

// timingsFigure draws the medians of the parts of a cycle.
func (r *Report) timingsFigure(trials []*trial) *figure {
	trials = slices.DeleteFunc(slices.Clone(trials), func(t *trial) bool { return math.IsNaN(t.seconds[0] + t.seconds[1] + t.seconds[2]) })
	if len(trials) == 0 {
		return nil
	}
	p := panel("forecast (blue), observe (yellow), analyse (red)", "milliseconds a cycle, medians", "")
	ticks := make(plot.ConstantTicks, len(trials))
	for i, t := range trials {
		y, from := float64(len(trials)-1-i), 0.0
		ticks[i] = plot.Tick{Value: y, Label: t.Filter}
		for part, s := range t.seconds {
			to := from + 1e3*s
			p.Add(filled(palette[[3]int{0, 3, 1}[part]], plotter.XYs{{X: from, Y: y - .32}, {X: to, Y: y - .32}, {X: to, Y: y + .32}, {X: from, Y: y + .32}}))
			from = to
		}
	}
	p.Y.Tick.Marker = ticks
	p.X.Min, p.Y.Min, p.Y.Max = 0, -0.6, float64(len(trials))-0.4
	return &figure{"timings", [][]*plot.Plot{{p}}, columnWidth, vg.Length(2+0.55*float64(len(trials))) * vg.Centimeter}
}
