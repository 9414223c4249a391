package report

import (
	"bytes"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Values that are not finite, or very large, are left out of a figure: it has an end in every format.
func TestFiguresOfAnyValues(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e300} {
		for _, format := range []string{"svg", "png", "pdf"} {
			p := panel("", "x", "y")
			p.Add(&specks{plotter.XYs{{X: 0, Y: 0}, {X: 1, Y: 1}}, []vg.Length{2, vg.Length(bad)}, color.Black})
			p.Add(&plotter.Line{XYs: plotter.XYs{{X: 0, Y: 0}, {X: bad, Y: bad}, {X: 1, Y: 1}}, LineStyle: draw.LineStyle{Color: color.Black, Width: 1, Dashes: []vg.Length{3, 2}}})
			p.Add(&plotter.Scatter{XYs: plotter.XYs{{X: 0.5, Y: 0.5}}, GlyphStyle: draw.GlyphStyle{Color: color.Black, Radius: vg.Length(bad), Shape: draw.CircleGlyph{}}})
			p.Add(filled(color.Black, plotter.XYs{{X: 0, Y: 0}, {X: bad, Y: 0}, {X: 1, Y: bad}}))
			path, done := filepath.Join(t.TempDir(), "a."+format), make(chan error, 1)
			go func() { done <- (&figure{"a", [][]*plot.Plot{{p}}, 100, 100}).write(path, format) }()
			select {
			case err := <-done:
				if err != nil {
					t.Errorf("%v, %s: %v", bad, format, err)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("%v, %s: no end", bad, format)
			}
			if text, err := os.ReadFile(path); err != nil || bytes.Contains(text, []byte("NaN")) || format == "svg" && bytes.Contains(text, []byte("Inf")) {
				t.Errorf("%v, %s: numbers that are not finite, %v", bad, format, err)
			}
		}
	}
}

// A path goes on after what has no place.
func TestPlaced(t *testing.T) {
	at := func(x float64) vg.Point { return vg.Point{X: vg.Length(x)} }
	var path, want vg.Path
	path.Move(at(1))
	path.Line(at(math.NaN()))
	path.Line(at(3))
	path.Line(at(4))
	path.Arc(at(5), vg.Length(math.Inf(1)), 0, 1)
	path.Close()
	want.Move(at(1))
	want.Move(at(3))
	want.Line(at(4))
	got := placed(path)
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range got {
		if got[i].Type != want[i].Type || got[i].Pos != want[i].Pos {
			t.Errorf("component %d: got %v, want %v", i, got[i], want[i])
		}
	}
	d := drawable{} // draws nothing
	d.Stroke(vg.Path{{Pos: at(math.NaN())}})
	d.Fill(vg.Path{{Pos: at(math.Inf(1))}})
	d.FillString(font.Face{}, at(math.NaN()), "a")
	d.DrawImage(vg.Rectangle{Max: at(math.NaN())}, image.Black)
}

// Axes of any range have a few ticks.
func TestTicksOfAnyRange(t *testing.T) {
	for _, r := range [][2]float64{{1e300, math.Nextafter(1e300, math.Inf(1))}, {math.NaN(), 1}, {0, math.Inf(1)}, {1, 1}, {-math.MaxFloat64, math.MaxFloat64}} {
		if got := roundTicks(4).Ticks(r[0], r[1]); len(got) > 9 {
			t.Errorf("%v: %d ticks", r, len(got))
		}
	}
}
