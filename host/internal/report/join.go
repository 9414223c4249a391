package report

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/compare"
)

// Join returns the report of several runs: their filters next to one another, the label of each
// after the letter of its run, and differences from the filter of the same name in the first
// run, as plume compare takes them. The reports must not be used afterwards.
func Join(parts []*Report) (*Report, error) {
	first := parts[0]
	r := &Report{
		parts: parts, reader: first.reader, setup: first.setup, against: "the same filter of run A", opening: first.opening,
		trajectories: first.trajectories, members: first.members, forecasts: first.forecasts,
	}
	r.truths, r.came = map[truthKey]*heat{}, map[truthKey][]*cameTrue{}
	if first.members.cycles != nil {
		r.members.truths, r.members.references = map[truthKey]*snapshots{}, map[int]*snapshots{}
	}
	for i, p := range parts {
		r.runs = append(r.runs, p.runs...)
		r.rows, r.baselines, r.trials = append(r.rows, p.rows...), append(r.baselines, p.baselines...), append(r.trials, p.trials...)
		r.metrics, r.overTime = append(r.metrics, p.metrics...), append(r.overTime, p.overTime...)
		for _, name := range p.setup.Parameters {
			if !slices.Contains(r.setup.Parameters, name) {
				r.setup.Parameters = append(slices.Clone(r.setup.Parameters), name)
			}
		}
		for _, note := range p.notes {
			r.notes = append(r.notes, letter(i)+": "+note)
		}
		for _, note := range p.omitted {
			r.omitted = append(r.omitted, letter(i)+": "+note)
		}
		r.joinStates(i, p)
		r.joinForecasts(i, p)
	}
	r.sortScores()
	if err := r.compareRuns(); err != nil {
		return nil, err
	}
	for i, p := range parts { // from here on labels name the run too
		p.relabel(letter(i))
		r.failures = append(r.failures, p.failures...)
		for _, label := range p.filters {
			r.filters = append(r.filters, letter(i)+": "+label)
		}
	}
	r.addAxes()
	return r, nil
}

// letter names a run of several.
func letter(run int) string { return string(rune('A' + run)) }

// MostRuns is the number of runs that a report can show.
const MostRuns = 26

// compareRuns compares the runs by the scores that all of them have. Runs with different truths
// have no differences.
func (r *Report) compareRuns() error {
	for _, run := range r.runs[1:] {
		if !r.runs[0].SameTruths(run) {
			r.notes = append(r.notes, fmt.Sprintf("%s and %s have different truths, so that their scores cannot be paired.", r.runs[0].Dir, run.Dir))
			return nil
		}
	}
	all := r.metrics
	r.metrics = slices.DeleteFunc(slices.Clone(all), func(m compare.Metric) bool {
		return slices.ContainsFunc(r.runs, func(run *compare.Run) bool { return !slices.Contains(run.Metrics(), m) })
	})
	err := r.compare()
	r.metrics = all
	return err
}

// joinStates adds what is known of the states of a run. Charts of states show values that all
// runs describe alike; those of other runs are left out, and the page says so.
func (r *Report) joinStates(run int, p *Report) {
	values := slices.Equal(p.shown, r.shown)
	field := p.field != nil && r.field != nil && p.field.variable == r.field.variable && slices.Equal(p.field.rows, r.field.rows)
	members := slices.Equal(p.members.cycles, r.members.cycles) && slices.Equal(p.members.latest, r.members.latest) && slices.Equal(p.members.grids, r.members.grids)
	if !values || (p.field != nil && !field) || (p.members.cycles != nil && !members) {
		r.omitted = append(r.omitted, fmt.Sprintf("%s: trajectories, fields or members are not shown, because they are of other values or cycles than those of A.", letter(run)))
	}
	for key, h := range p.truths {
		if key.run = run; field {
			r.truths[key] = h
		}
	}
	for key, s := range p.members.truths {
		if key.run = run; members {
			r.members.truths[key] = s
		}
	}
	offset := len(r.members.references)
	for number, s := range p.members.references {
		if members {
			r.members.references[offset+number] = s
		}
	}
	for _, t := range p.trials {
		t.run = run
		if t.Reference >= 0 {
			t.Reference += offset
		}
		if !values {
			t.curves, t.phase = nil, nil
		}
		if !field {
			t.fields, t.profiles = nil, nil
		}
		if !members || !values {
			t.members = nil
		}
	}
}

// relabel puts the letter of the run before the labels of filters and baselines.
func (r *Report) relabel(letter string) {
	for _, run := range r.runs {
		for _, g := range slices.Concat(run.Groups, run.Baselines) {
			g.Filter = letter + ": " + g.Filter
			for _, t := range g.Trials {
				t.Filter = g.Filter
			}
		}
	}
	for i := range r.failures {
		r.failures[i].Filter = letter + ": " + r.failures[i].Filter
	}
}

// ids returns the runs of the report as paths below the directory of runs.
func (r *Report) ids() (list []string) {
	for _, p := range r.all() {
		list = append(list, "runs/"+p.reader.Info.Name+"/"+filepath.Base(p.reader.Dir))
	}
	return list
}

// all returns the reports of the single runs.
func (r *Report) all() []*Report {
	if r.parts == nil {
		return []*Report{r}
	}
	return r.parts
}

// bad reports whether the status of a run needs attention.
func (r *Report) bad() bool {
	return slices.ContainsFunc(r.all(), func(p *Report) bool {
		return slices.Contains([]archive.Status{archive.Failed, archive.SomeFailed, archive.Interrupted, archive.Stopped}, p.reader.Info.Status)
	})
}
