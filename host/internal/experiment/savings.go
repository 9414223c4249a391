package experiment

import (
	"fmt"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/workflow"
)

// large is how many bytes a run may store without remark, if the disk has room for them.
const large = 10e9

// Saving is a setting with which a run would store less.
type Saving struct {
	Setting string  `json:"setting"` // such as output.ensemble_every = 10
	Bytes   float64 `json:"bytes"`   // that the run would store
}

// Save adds settings to est with which a run below dir would store less, and warns, if it
// stores much or more than the disk has room for.
func (e *Experiment) Save(est *Estimate, dir string) {
	says := "the run stores about " + Bytes(est.Bytes)
	if free, err := archive.Free(dir); err == nil && est.Bytes > free {
		says += fmt.Sprintf(", and the disk of %s has %s left", dir, Bytes(free))
	} else if est.Bytes < large {
		return
	}
	if est.Savings = e.savings(); len(est.Savings) > 0 {
		says += "; it would store " + savingsText(est.Savings)
	}
	est.Warnings = append(est.Warnings, says)
}

// savings returns the settings of [output] that make a run store at least a tenth less.
func (e *Experiment) savings() (list []Saving) {
	stored, output := e.stores(), e.Workflow.Output
	try := func(setting string, change func(o *workflow.Output)) {
		changed, w := *e, *e.Workflow
		change(&w.Output)
		changed.Workflow = &w
		if bytes := changed.stores(); bytes < 0.9*stored {
			list = append(list, Saving{"output." + setting, bytes})
		}
	}
	try(`precision = "float32"`, func(o *workflow.Output) { o.Precision = workflow.Float32 })
	p := e.Sweep.Scenarios[0].Plans[0]
	if every := 10 * max(1, output.Every); every <= p.Clock.Cycles { // otherwise no ensemble would be stored
		try(fmt.Sprintf("ensemble_every = %d", every), func(o *workflow.Output) { o.Every = every })
	}
	const members = 10
	if output.Members == 0 || output.Members > members {
		try(fmt.Sprintf("ensemble_members = %d", members), func(o *workflow.Output) { o.Members = members })
	}
	first := p.State.Variables[0].Name
	try(fmt.Sprintf("ensemble_variables = [%q]", first), func(o *workflow.Output) { o.Only = []string{first} })
	if output.Ensemble == "both" {
		try(`ensemble = "analysis"`, func(o *workflow.Output) { o.Ensemble = "analysis" })
	}
	try(`ensemble = "none"`, func(o *workflow.Output) { o.Ensemble = "none" })
	try("variables = 0", func(o *workflow.Output) { o.Variables = 0 })
	return list
}

// savingsText lists settings with what the run would store, such as "32.1 GB with ...".
func savingsText(list []Saving) string {
	parts := make([]string, len(list))
	for i, s := range list {
		parts[i] = fmt.Sprintf("%s with %s", Bytes(s.Bytes), s.Setting)
	}
	return strings.Join(parts, ", ")
}
