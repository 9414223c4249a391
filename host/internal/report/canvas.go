package report

import (
	"image"
	"math"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
)

// farthest is how far from its origin a figure has marks, in points; its size is a few hundred.
const farthest = 1e6

// drawable leaves out what has no place on a canvas: coordinates that are not finite, or so large that
// dashes and pixels between them have no end. Canvases do not look: that of PNG would never return.
type drawable struct{ vg.CanvasWriterTo }

// Stroke strokes the pieces of a path that have a place.
func (d drawable) Stroke(p vg.Path) {
	if p := placed(p); len(p) > 0 {
		d.CanvasWriterTo.Stroke(p)
	}
}

// Fill fills the pieces of a path that have a place.
func (d drawable) Fill(p vg.Path) {
	if p := placed(p); len(p) > 0 {
		d.CanvasWriterTo.Fill(p)
	}
}

// FillString writes a text, if it has a place.
func (d drawable) FillString(f font.Face, at vg.Point, text string) {
	if near(float64(at.X), float64(at.Y)) {
		d.CanvasWriterTo.FillString(f, at, text)
	}
}

// DrawImage draws an image, if it has a place.
func (d drawable) DrawImage(r vg.Rectangle, img image.Image) {
	if near(float64(r.Min.X), float64(r.Min.Y), float64(r.Max.X), float64(r.Max.Y)) {
		d.CanvasWriterTo.DrawImage(r, img)
	}
}

// near reports whether all numbers are finite, and not too large.
func near(numbers ...float64) bool {
	for _, v := range numbers {
		if !(math.Abs(v) <= farthest) {
			return false
		}
	}
	return true
}

// placed returns a path without the components that have no place; it goes on at the next one that has.
func placed(path vg.Path) (kept vg.Path) {
	broken := true // there is no point from which to go on
	for _, c := range path {
		ok := near(float64(c.Pos.X), float64(c.Pos.Y), float64(c.Radius), c.Start, c.Angle)
		for _, p := range c.Control {
			ok = ok && near(float64(p.X), float64(p.Y))
		}
		switch {
		case !ok:
			broken = true
			continue
		case c.Type == vg.CloseComp && broken:
			continue
		case broken && (c.Type == vg.LineComp || c.Type == vg.CurveComp):
			c = vg.PathComp{Type: vg.MoveComp, Pos: c.Pos}
		}
		broken = false
		kept = append(kept, c)
	}
	return kept
}
