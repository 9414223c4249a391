package main

import (
	"context"
	"math"
	"math/rand/v2"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/resample"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// sample fills p.Into with draws from d, in the coordinates of d. Row i takes all
// its randomness from the stream of member i, save that the exact sampler chooses
// the kernels for all rows together.
func (f *filter) sample(ctx context.Context, p *sdk.Problem, d *density) (ancestors []int, metrics map[string]float64, err error) {
	if f.Sampler == "exact" {
		return f.drawExact(p, d), map[string]float64{}, nil
	}
	metrics, err = f.denoiseLatent(ctx, p, d)
	return nil, metrics, err
}

// drawExact draws from the mixture itself and returns the kernel of each row.
func (f *filter) drawExact(p *sdk.Problem, d *density) []int {
	members, _ := p.Into.Dims()
	choose := resample.Systematic
	if f.Draws == "independent" {
		choose = resample.Multinomial
	}
	ancestors := choose(make([]int, members), d.weights(), p.Seed.Child("kernels", 0).Rand())
	for i, a := range ancestors {
		row, stream := p.Into.RawRowView(i), p.Seed.Member(p.First+i)
		mat.Col(row, a, d.centres)
		for j := range row {
			row[j] += d.bandwidth * stream.NormFloat64()
		}
	}
	return ancestors
}

// denoiseLatent draws a latent for every row and takes the noise away with the
// configured sampler, block by block on all processors, until ctx ends.
func (f *filter) denoiseLatent(ctx context.Context, p *sdk.Problem, d *density) (map[string]float64, error) {
	members, n := p.Into.Dims()
	s := f.schedule(d)
	latentSD := math.Sqrt(s.at(s.start).variance)
	steps := make([]float64, members)
	block := func(run sampler, lo, hi int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		x := p.Into.Slice(lo, hi, 0, n).(*mat.Dense)
		streams := make([]*rand.Rand, hi-lo)
		for r := range streams {
			streams[r] = p.Seed.Member(p.First + lo + r)
			row := x.RawRowView(r)
			for j := range row {
				row[j] = latentSD * streams[r].NormFloat64()
			}
		}
		return run(x, s, streams, steps[lo:hi])
	}
	errs := make([]error, (members+blockRows-1)/blockRows)
	ensemble.InBlocks(members, blockRows, func() func(lo, hi int) {
		run := f.newSampler(d, n)
		return func(lo, hi int) { errs[lo/blockRows] = block(run, lo, hi) }
	})
	if err := firstOf(errs); err != nil {
		return nil, err
	}
	return map[string]float64{"steps_mean": floats.Sum(steps) / float64(members), "steps_max": floats.Max(steps)}, nil
}

// schedule returns the path from the latent to d. The latent has the variance
// that a kernel has there, which is exact where all members agree.
func (f *filter) schedule(d *density) schedule {
	if f.Schedule == "vp" {
		return variancePreserving(d.bandwidth, f.BetaTotal)
	}
	sigmaMax := f.SigmaMax
	if sigmaMax == 0 {
		sigmaMax = latentWidth * math.Hypot(d.spread, d.bandwidth)
	}
	return varianceExploding(d.bandwidth, sigmaMax)
}

// sampler takes the noise away from the latents x, one a row, in place. streams
// are the rows' own; steps receives the number of steps each row took.
type sampler func(x *mat.Dense, s schedule, streams []*rand.Rand, steps []float64) error

func (f *filter) newSampler(d *density, n int) sampler {
	denoise := d.denoiser(blockRows)
	switch f.Sampler {
	case "heun":
		return heun(f.Steps, n, denoise)
	case "sde":
		return reverse(f.Steps, n, denoise)
	}
	return adaptive(f.RTol, f.ATol, n, denoise)
}

// blockRows is how many states are sampled together. It is fixed so that no
// number depends on how many processors there are.
const blockRows = 16

func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
