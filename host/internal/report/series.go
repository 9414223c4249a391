package report

import (
	"maps"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
)

// cycleIndex counts cycles, which are given in order.
type cycleIndex struct {
	n    int
	last int32
	runs []cycleRun
}

// cycleRun is consecutive cycles: the first, and its index.
type cycleRun struct {
	first int32
	at    int
}

func (c *cycleIndex) add(cycle int32) {
	if c.n > 0 && cycle == c.last {
		return
	}
	if c.n == 0 || cycle != c.last+1 {
		c.runs = append(c.runs, cycleRun{cycle, c.n})
	}
	c.n, c.last = c.n+1, cycle
}

// of returns the index of a cycle, and false if it is not there.
func (c *cycleIndex) of(cycle int32) (at int, ok bool) {
	k, found := slices.BinarySearchFunc(c.runs, cycle, func(r cycleRun, cycle int32) int { return int(r.first) - int(cycle) })
	if !found {
		k--
	}
	if k < 0 {
		return 0, false
	}
	end := c.n
	if k+1 < len(c.runs) {
		end = c.runs[k+1].at
	}
	at = c.runs[k].at + int(cycle-c.runs[k].first)
	return at, at < end
}

// kept are names that outlive the batches of a table, whose texts share the memory of a batch.
type kept []string

// of returns a name that may be kept.
func (k *kept) of(name string) string {
	at := slices.Index(*k, name)
	if at < 0 {
		at = len(*k)
		*k = append(*k, strings.Clone(name))
	}
	return (*k)[at]
}

// staged names a stage of a trial.
type staged struct {
	trial int32
	stage string
}

// index counts the cycles of a table by trial and stage.
func (r *Report) index(table string) (map[staged]*cycleIndex, error) {
	all, names := map[staged]*cycleIndex{}, kept{}
	var last staged
	var of *cycleIndex
	for b, err := range r.reader.Keys(table) {
		if err != nil {
			return nil, err
		}
		for i, trial := range b.Trial {
			key := staged{trial: trial}
			if b.Stage != nil {
				key.stage = b.Stage[i]
			}
			if of == nil || key != last {
				if of = all[key]; of == nil {
					key.stage, of = names.of(key.stage), &cycleIndex{}
					all[key] = of
				}
				last = key
			}
			of.add(b.Cycle[i])
		}
	}
	return all, nil
}

// readSeries reads the scores of all cycles.
func (r *Report) readSeries() error {
	var err error
	if r.cycles, err = r.index("cycles"); err != nil {
		return err
	}
	readers := map[staged]*scoreReader{}
	for _, t := range r.trials {
		for _, stage := range stages {
			if of := r.cycles[staged{int32(t.Trial.Trial), stage}]; of != nil {
				s := &scoreReader{trial: t, stage: stage, sampled: newSampled(of.n, mostPoints)}
				readers[staged{int32(t.Trial.Trial), stage}], t.scores[stage] = s, s.sampled
			}
		}
		t.analyses = r.cycles[staged{int32(t.Trial.Trial), archive.Analysis}]
	}
	for b, err := range r.reader.Cycles() {
		if err != nil {
			return err
		}
		r.addScores(readers, b)
	}
	for _, t := range r.trials {
		for _, s := range t.scores {
			r.overTime = slices.AppendSeq(r.overTime, maps.Keys(s.columns))
		}
	}
	return nil
}

// scoreReader reads the scores of one stage of a trial.
type scoreReader struct {
	trial *trial
	stage string
	*sampled
	next           int       // index of the next cycle
	before         float64   // time of the last cycle of burn-in
	begun          bool      // burn-in is over
	spread, errors []float64 // of the cycles that are scored and have both, until all are read
	rows           []int     // those of the batch that is being read
}

// addScores adds a batch of rows.
func (r *Report) addScores(readers map[staged]*scoreReader, b *archive.CycleScores) {
	var touched []*scoreReader
	var s *scoreReader
	for i, trial := range b.Trial {
		if s == nil || int32(s.trial.Trial.Trial) != trial || s.stage != b.Stage[i] {
			if s = readers[staged{trial, b.Stage[i]}]; s == nil {
				continue // it started after the trials were read, or is of a stage that is not shown
			}
		}
		if len(s.rows) == 0 {
			touched = append(touched, s)
		}
		s.rows = append(s.rows, i)
	}
	for _, s := range touched {
		s.add(b, r.setup.BurnIn, r.runs[0].Scored)
	}
}

// add adds the rows of the batch.
func (s *scoreReader) add(b *archive.CycleScores, burnIn int, scored func(int32) bool) {
	s.rows = s.rows[:min(len(s.rows), s.n-s.next)] // others were written after the cycles were counted
	spread, errors := b.Scores["spread"], b.Scores["rmse"]
	for k, i := range s.rows {
		at := s.next + k
		s.tick(at, b.Time[i])
		switch {
		case int(b.Cycle[i]) <= burnIn:
			s.before = b.Time[i]
		case !s.begun:
			if s.begun = true; at > 0 {
				s.burnIn = s.before
			}
		}
		if errors.Values != nil && errors.Valid[i] && spread.Values != nil && scored(b.Cycle[i]) {
			if s.errors == nil {
				s.spread, s.errors = make([]float64, 0, s.n), make([]float64, 0, s.n)
			}
			s.spread, s.errors = append(s.spread, spread.Values[i]), append(s.errors, errors.Values[i])
		}
	}
	for name, scores := range b.Scores {
		var c *column
		for k, i := range s.rows {
			if !scores.Valid[i] {
				continue // a score applies if any cycle has it
			}
			if c == nil {
				c = s.column(name)
			}
			c.add(s.next+k, scores.Values[i])
		}
	}
	if s.next += len(s.rows); s.next == s.n {
		if spread, rmse := s.trial.Skill(s.spread, s.errors); spread != nil {
			s.trial.skill[s.stage] = [2][]float64{spread, rmse}
		}
		s.spread, s.errors = nil, nil
	}
	s.rows = s.rows[:0]
}
