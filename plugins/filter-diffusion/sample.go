package filterdiffusion

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
		row, stream := p.Into.RawRowView(i), p.Seed.Member(p.Member(i))
		copy(row, d.centres.RawRowView(a))
		for j := range row {
			row[j] += d.bandwidth * stream.NormFloat64()
		}
	}
	return ancestors
}

// denoiseLatent draws a latent for every row of p.Into and takes the noise away.
func (f *filter) denoiseLatent(ctx context.Context, p *sdk.Problem, d *density) (map[string]float64, error) {
	members, n := p.Into.Dims()
	s := f.schedule(d)
	streams := latents(p, s.latentSD())
	if n > members && f.Sampler != "sde" { // whose noise would have to be drawn in the span
		return f.denoiseInSpan(ctx, p, d, s, streams)
	}
	return f.denoise(ctx, p.Into, newMixture(d.centres, d.logWeights, d.bandwidth), s, streams, n)
}

// latents fills the rows of p.Into with normal draws of standard deviation sd, and
// returns the members' streams. In parallel over members.
func latents(p *sdk.Problem, sd float64) []*rand.Rand {
	members, _ := p.Into.Dims()
	streams := make([]*rand.Rand, members)
	ensemble.InBlocks(members, blockRows, func() func(lo, hi int) {
		return func(lo, hi int) {
			for r := lo; r < hi; r++ {
				streams[r] = p.Seed.Member(p.Member(r))
				row := p.Into.RawRowView(r)
				for j := range row {
					row[j] = sd * streams[r].NormFloat64()
				}
			}
		}
	})
	return streams
}

// denoise takes the noise away from the rows of x with the configured sampler,
// block by block on all processors, until ctx ends. The state has values values.
func (f *filter) denoise(ctx context.Context, x *mat.Dense, m *mixture, s schedule, streams []*rand.Rand, values int) (map[string]float64, error) {
	members, n := x.Dims()
	steps := make([]float64, members)
	errs := make([]error, (members+blockRows-1)/blockRows)
	ensemble.InBlocks(members, blockRows, func() func(lo, hi int) {
		run := f.newSampler(m, n, values)
		return func(lo, hi int) {
			err := ctx.Err()
			if err == nil {
				err = run(x.Slice(lo, hi, 0, n).(*mat.Dense), s, streams[lo:hi], steps[lo:hi])
			}
			errs[lo/blockRows] = err
		}
	})
	if err := firstOf(errs); err != nil {
		return nil, err
	}
	return map[string]float64{"steps_mean": floats.Sum(steps) / float64(members), "steps_max": floats.Max(steps)}, nil
}

// schedule returns the path from the latent to d.
func (f *filter) schedule(d *density) schedule {
	if f.Schedule == "vp" {
		return variancePreserving(d.bandwidth, f.BetaTotal)
	}
	sigmaMax := f.SigmaMax
	if sdk.IsAuto(sigmaMax) {
		sigmaMax = latentWidth * math.Hypot(d.spread, d.bandwidth)
	}
	return varianceExploding(d.bandwidth, sigmaMax)
}

// sampler takes the noise away from the latents x, one a row, in place. streams
// are the rows' own; steps receives the number of steps each row took.
type sampler func(x *mat.Dense, s schedule, streams []*rand.Rand, steps []float64) error

func (f *filter) newSampler(m *mixture, n, values int) sampler {
	denoise := m.denoiser(blockRows)
	switch f.Sampler {
	case "heun":
		return heun(f.Steps, n, denoise)
	case "sde":
		return reverse(f.Steps, n, denoise)
	}
	return adaptive(f.RTol, f.ATol, n, values, denoise)
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
