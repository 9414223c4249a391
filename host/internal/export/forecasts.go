package export

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/names"
)

// statistics are what free forecasts say of a value, in the order of the arrays.
var statistics = []string{"mean", "spread", "q05", "q25", "q50", "q75", "q95"}

// issue identifies the forecasts of one file: those of one trial of states, or of what is observed.
type issue struct {
	trial int32
	of    string
}

// forecast is what is forecast of a value at one lead time.
type forecast struct {
	cycle    int32
	lead     float64
	variable string
	index    int32
	values   []float64 // statistics
}

// issued is the forecasts of one file.
type issued struct {
	times     map[int32]float64 // of the analyses, by cycle
	rows      []forecast
	variables []string           // in the order of the table
	indices   map[string][]int32 // by variable
}

// forecastsToNetCDF writes the free forecasts of the run, to/trial=NUMBER.OF.nc for each trial and for
// state and observed values. Variables are (statistic, cycle, lead), and (statistic, cycle, lead, index) if
// they have several values; what was not forecast is NaN.
func forecastsToNetCDF(ctx context.Context, to string, r *archive.Reader, o *origins) error {
	files := map[issue]*issued{}
	for b, err := range r.Forecasts() {
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return err
		}
		for i := range b.Trial {
			key := issue{b.Trial[i], b.Of[i]}
			f := files[key]
			if f == nil {
				f = &issued{times: map[int32]float64{}, indices: map[string][]int32{}}
				files[key] = f
			}
			f.add(forecast{b.Cycle[i], b.Lead[i], b.Variable[i], b.Index[i], []float64{b.Mean[i], b.Spread[i], b.Q05[i], b.Q25[i], b.Q50[i], b.Q75[i], b.Q95[i]}}, b.Time[i])
		}
	}
	if len(files) == 0 {
		return errEmpty
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for key, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		h := &header{attributes: append(o.attributes(o.known(origin{int(key.trial), -1, -1, -1})), attribute{"of", key.of})}
		units, err := unitsOf(r, key.of)
		if err != nil {
			return err
		}
		if err := f.write(filepath.Join(to, fmt.Sprintf("trial=%04d.%s.nc", key.trial, key.of)), h, r.Info.Dates, units); err != nil {
			return err
		}
	}
	return nil
}

func (f *issued) add(row forecast, at float64) {
	f.times[row.cycle] = at
	f.rows = append(f.rows, row)
	if f.indices[row.variable] == nil {
		f.variables = append(f.variables, row.variable)
	}
	if k, ok := slices.BinarySearch(f.indices[row.variable], row.index); !ok {
		f.indices[row.variable] = slices.Insert(f.indices[row.variable], k, row.index)
	}
}

// write writes the file of the forecasts.
func (f *issued) write(path string, h *header, dates *archive.Dates, units map[string]string) (err error) {
	cycles, leads := slices.Sorted(maps.Keys(f.times)), f.leads()
	var at, valid []float64
	for _, c := range cycles {
		at = append(at, f.times[c])
		for _, lead := range leads {
			valid = append(valid, f.times[c]+lead)
		}
	}
	letters := h.dimension("letter", len("spread"))
	lead := []int{h.dimension("statistic", len(statistics)), h.dimension("cycle", len(cycles)), h.dimension("lead", len(leads))}
	spelled := h.variable("statistic", cdfChar, []int{lead[0], letters}, attribute{"long_name", "statistic of the members"})
	h.integers("cycle", lead[1:2], cycles, attribute{"long_name", "assimilation cycle"}, attribute{"units", "1"})
	ahead := []attribute{{"standard_name", "forecast_period"}, {"long_name", "lead time"}}
	if unit := dates.Unit(); unit != "" {
		ahead = append(ahead, attribute{"units", unit})
	}
	h.doubles("lead", lead[2:], leads, ahead...)
	h.dated("time", lead[1:2], at, dates, attribute{"standard_name", "forecast_reference_time"}, attribute{"long_name", "time of the analysis"})
	h.dated("valid", lead[1:], valid, dates, attribute{"standard_name", "time"}, attribute{"long_name", "time of what is forecast"})
	for _, name := range f.variables {
		h.taken = append(h.taken, names.Array(name))
	}
	fields := map[string]*variable{}
	for _, name := range f.variables {
		dims, indices := lead, f.indices[name]
		if !slices.Equal(indices, []int32{0}) {
			of := names.Array(name) + "_index"
			for h.isTaken(of) {
				of = names.Array(name) + "_" + of
			}
			dims = append(slices.Clone(lead), h.dimension(of, len(indices)))
			h.integers(of, dims[3:], indices, attribute{"long_name", "index in " + name + ", row-major"})
		}
		about := []attribute{{"long_name", name}}
		if unit := units[name]; unit != "" {
			about = append(about, attribute{"units", unit})
		}
		fields[name] = h.variable(names.Array(name), cdfDouble, dims, append(about, attribute{"coordinates", "time valid"})...)
	}
	file, err := h.create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	for _, s := range statistics {
		err = errors.Join(err, spelled.text(s, len("spread")))
	}
	for _, name := range f.variables {
		err = errors.Join(err, fields[name].floats(f.array(name, cycles, leads)...))
	}
	return err
}

// leads returns the lead times, sorted.
func (f *issued) leads() (all []float64) {
	for _, row := range f.rows {
		if k, ok := slices.BinarySearch(all, row.lead); !ok {
			all = slices.Insert(all, k, row.lead)
		}
	}
	return all
}

// array returns the values of a variable, (statistic, cycle, lead, index).
func (f *issued) array(name string, cycles []int32, leads []float64) []float64 {
	indices := f.indices[name]
	whole := slices.Repeat([]float64{math.NaN()}, len(statistics)*len(cycles)*len(leads)*len(indices))
	for _, row := range f.rows {
		if row.variable != name {
			continue
		}
		c, _ := slices.BinarySearch(cycles, row.cycle)
		l, _ := slices.BinarySearch(leads, row.lead)
		i, _ := slices.BinarySearch(indices, row.index)
		for s, v := range row.values {
			whole[((s*len(cycles)+c)*len(leads)+l)*len(indices)+i] = v
		}
	}
	return whole
}

// unitsOf returns the units of the variables of the state or of what is observed, as far as tables of
// the run say them.
func unitsOf(r *archive.Reader, of string) (map[string]string, error) {
	tables, err := r.Tables()
	if err != nil {
		return nil, err
	}
	from := []string{"truth", "ensemble"}
	if of == archive.Observed {
		from = []string{"observations"}
	}
	units := map[string]string{}
	for _, name := range tables {
		if !slices.Contains(from, tableOf(name)) {
			continue
		}
		for s, err := range r.States(strings.TrimSuffix(name, ".arrow")) {
			if err != nil {
				return nil, err
			}
			for _, f := range s.Fields {
				units[f.Name] = f.Unit
			}
			return units, nil
		}
	}
	return units, nil
}
