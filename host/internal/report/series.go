package report

import (
	"maps"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
)

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

// lacking returns how many of the cycles that have scores other tables may lack: one of a run that was killed
// between writing them, or that goes on.
func (r *Report) lacking() int {
	if r.reader.Info.Unended() == "" {
		return 0
	}
	return 1
}

// readSeries reads the scores of all cycles, and the means of trials without stored ones. Of a run that has
// ended the trials say how many cycles they have, as a rule with both stages; otherwise cycles are counted first.
func (r *Report) readSeries() (err error) {
	if r.reader.Info.Files != nil {
		r.cycles = map[archive.Staged]*archive.CycleIndex{}
		for _, t := range r.trials {
			for _, stage := range stages {
				if t.Cycles > 0 {
					r.cycles[archive.Staged{Trial: int32(t.Trial.Trial), Stage: stage}] = archive.CyclesTo(t.Cycles)
				}
			}
		}
		if as, err := r.readScoresOf(); as || err != nil {
			return err
		}
	}
	if r.cycles, err = r.reader.Index("cycles"); err != nil {
		return err
	}
	_, err = r.readScoresOf()
	return err
}

// readScoresOf reads the scores of r.cycles. It returns false if there are those of others, or some are missing.
func (r *Report) readScoresOf() (as bool, err error) {
	readers := map[archive.Staged]*scoreReader{}
	for _, t := range r.trials {
		t.scores, t.skill = map[string]*sampled{}, map[string][2][]float64{}
		for _, stage := range stages {
			key := archive.Staged{Trial: int32(t.Trial.Trial), Stage: stage}
			if of := r.cycles[key]; of != nil {
				s := &scoreReader{trial: t, stage: stage, cycles: of, sampled: newSampled(of.N, mostPoints)}
				readers[key], t.scores[stage] = s, s.sampled
			}
		}
		if t.analyses = nil; t.scores[archive.Analysis] != nil {
			t.analyses = readers[archive.Staged{Trial: int32(t.Trial.Trial), Stage: archive.Analysis}].cycles
		}
	}
	run := r.runs[0]
	as = true
	err = run.EachCycle(func(b *archive.CycleScores, rows []archive.StageRows) {
		for _, of := range rows {
			s := readers[archive.Staged{Trial: of.Trial, Stage: of.Stage}]
			if s != nil {
				s.add(b, of.Rows, r.setup.BurnIn, run.Scored)
			} else if r.trial(of.Trial) != nil && slices.Contains(stages, of.Stage) {
				as = false // others started after the trials were read, or are of a stage that is not shown
			}
		}
	})
	for _, s := range readers {
		as = as && !s.astray && s.next == s.n
	}
	r.overTime = nil
	for _, t := range r.trials {
		for _, s := range t.scores {
			r.overTime = slices.AppendSeq(r.overTime, maps.Keys(s.columns))
		}
	}
	return as, err
}

// scoreReader reads the scores of one stage of a trial.
type scoreReader struct {
	trial *trial
	stage string
	*sampled
	cycles         *archive.CycleIndex // that are expected
	astray         bool                // there are others
	next           int                 // index of the next cycle
	before         float64             // time of the last cycle of burn-in
	begun          bool                // burn-in is over
	spread, errors []float64           // of the cycles that are scored and have both, until all are read
}

// add adds rows of a batch.
func (s *scoreReader) add(b *archive.CycleScores, rows []int, burnIn int, scored func(int32) bool) {
	if len(rows) > s.n-s.next {
		rows, s.astray = rows[:s.n-s.next], true // others were written after the cycles were counted
	}
	spread, errors := b.Scores["spread"], b.Scores["rmse"]
	for k, i := range rows {
		at := s.next + k
		if expected, ok := s.cycles.Of(b.Cycle[i]); !ok || expected != at {
			s.astray = true
		}
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
		for k, i := range rows {
			if !scores.Valid[i] {
				continue // a score applies if any cycle has it
			}
			if c == nil {
				c = s.column(name)
			}
			c.add(s.next+k, scores.Values[i])
		}
	}
	if s.next += len(rows); s.next == s.n {
		if spread, rmse := s.trial.Skill(s.spread, s.errors); spread != nil {
			s.trial.skill[s.stage] = [2][]float64{spread, rmse}
		}
		s.spread, s.errors = nil, nil
	}
}
