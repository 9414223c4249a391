package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/archive/archivetest"
)

// The page says where replicas ran and how busy they were, and says nothing of a run without
// any.
func TestReplicas(t *testing.T) {
	run := sweep()
	r := mustOpen(t, run.Write(t, t.TempDir()), &Setup{})
	if table := r.replicasTable(); table != nil || r.usageData() != nil {
		t.Errorf("got %v, %v of a run without replicas", table, r.usageData())
	}
	r.reader.Info.Replicas = []archive.Replica{
		{Plugin: "worker", Replica: 1, Node: "node3", Job: "52.1", Cores: 4, Memory: 2e9, Seconds: 40, Busy: 30, Calls: 17, Lost: 1},
		{Plugin: "worker", Replica: 2},
	}
	r.reader.Info.Usage = &archive.Usage{Every: 0.4, Busy: []float64{0.5, 1}}
	want := []string{"worker 1 | node3 | 52.1 | 4 | 2.0 GB | 17 | 75 | 1", "worker 2 | not started |  | 0 |  | 0 |  | 0"}
	if got := lines(r.replicasTable()); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	r.reader.Info.Replicas[0].Job = "" // an engine without numbers
	want = []string{"worker 1 | node3 | 4 | 2.0 GB | 17 | 75 | 1", "worker 2 | not started | 0 |  | 0 |  | 0"}
	table := r.replicasTable()
	if got := lines(table); !slices.Equal(got, want) || len(table.Head) != 7 || slices.ContainsFunc(table.Head, func(h headCell) bool { return h.Text == "job" }) {
		t.Errorf("without jobs: got %v\n%s\nwant\n%s", table.Head, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	page, err := r.page(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`"usage":[{"every":[0.4],"busy":[0.5,1],"of":2}]`, `data-chart="busy"`, "replicas-table"} {
		if !strings.Contains(string(page), text) {
			t.Errorf("the page has no %s", text)
		}
	}
}

// A page of several runs says of each how busy its replicas were.
func TestReplicasOfSeveralRuns(t *testing.T) {
	r := joined(t, 0, func(*archivetest.Run) {})
	if r.usageData() != nil {
		t.Errorf("got %v", r.usageData())
	}
	r.parts[1].reader.Info.Usage = &archive.Usage{Every: 0.4, Busy: []float64{0.5, 1}}
	r.parts[1].reader.Info.Replicas = []archive.Replica{{}, {}}
	page, err := r.page(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`"usage":[{"run":"B","every":[0.4],"busy":[0.5,1],"of":2}]`, `data-chart="busy"`} {
		if !strings.Contains(string(page), text) {
			t.Errorf("the page has no %s", text)
		}
	}
}
