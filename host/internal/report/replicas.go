package report

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/plume-da/plume/host/internal/archive"
)

// replicasTable lists the replicas and workers that ran on other machines; nil if there are
// none.
func (r *Report) replicasTable() *textTable {
	t := &textTable{ID: "replicas-table", Caption: "Replicas and workers on other machines", Note: "Of a worker, calls are trials. Busy is the share of the time since the first start. Lost calls were made again.", Head: []headCell{
		{"replica", ""}, {"node", "where it ran last"}, {"job", "as the engine calls it"}, {"cores", "granted"}, {"memory", "granted"}, {"calls", ""}, {"busy", "percent"}, {"lost", "calls"}}}
	for i, p := range r.all() {
		for _, replica := range p.reader.Info.Replicas {
			name := fmt.Sprintf("%s %d", replica.Plugin, replica.Replica)
			if r.parts != nil {
				name = letter(i) + ": " + name
			}
			t.Rows = append(t.Rows, append([]textCell{{Text: name, Head: true}}, replicaCells(replica)...))
		}
	}
	if t.Rows == nil {
		return nil
	}
	const job = 2
	if !slices.ContainsFunc(t.Rows, func(row []textCell) bool { return row[job].Text != "" }) { // an engine without numbers
		t.Head = slices.Delete(t.Head, job, job+1)
		for i := range t.Rows {
			t.Rows[i] = slices.Delete(t.Rows[i], job, job+1)
		}
	}
	return t
}

// replicaCells returns what is known of a replica.
func replicaCells(a archive.Replica) []textCell {
	count := func(n int) textCell { return textCell{Text: strconv.Itoa(n), Key: key(float64(n)), Number: true} }
	cells := []textCell{{Text: a.Node}, {Text: a.Job}, count(a.Cores), {Number: true}, count(a.Calls), {Number: true}, count(a.Lost)}
	cells[6].Flag = a.Lost > 0
	if a.Node == "" {
		cells[0].Text = "not started"
		return cells
	}
	if a.Memory > 0 {
		cells[3].Text, cells[3].Key = fmt.Sprintf("%.1f GB", float64(a.Memory)/1e9), key(float64(a.Memory))
	}
	if a.Seconds > 0 {
		busy := 100 * a.Busy / a.Seconds
		cells[5].Text, cells[5].Key = fmt.Sprintf("%.0f", busy), key(busy)
	}
	return cells
}

// dataUsage is how many replicas and workers of a run were busy over time.
type dataUsage struct {
	Run   string  `json:"run,omitempty"` // its letter; empty: it is alone on the page
	Every numbers `json:"every"`         // seconds, one value
	Busy  numbers `json:"busy"`
	Of    int     `json:"of"`
}

// used reports whether it is known how busy the replicas of a run were.
func used(r *Report) bool { return len(r.usageData()) > 0 }

func (r *Report) usageData() (all []dataUsage) {
	for i, p := range r.all() {
		u := p.reader.Info.Usage
		if u == nil {
			continue
		}
		d := dataUsage{"", numbers{u.Every}, u.Busy, len(p.reader.Info.Replicas)}
		if r.parts != nil {
			d.Run = letter(i)
		}
		all = append(all, d)
	}
	return all
}
