package observations

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
)

// TestGrow wants a record that grows to have, in its last cycles, what the whole record has, and to be the whole
// record when it is read again.
func TestGrow(t *testing.T) {
	for name, timing := range map[string]string{"times of the data": "window = 0.6", "interval": "interval = 2.5", "interval and window": "interval = 2.5, window = 2"} {
		t.Run(name, func(t *testing.T) { grows(t, timing) })
	}
}

func grows(t *testing.T, timing string) {
	t.Helper()
	text := "t,level\n"
	var ends []int64
	for i := range 60 {
		at := 0.4*float64(i) + 0.15*float64(i%3)
		text += fmt.Sprintf("%.2f,%d\n", at+0.3, i)
		if i%7 == 5 { // missing, and twice in one cycle
			text += fmt.Sprintf("%.2f,\n%.2f,%d\n", at+0.35, at+0.4, -i)
		}
		ends = append(ends, int64(len(text)))
	}
	w := load(t, "time = { "+timing+" }\n"+`observations = { plugin = "o", error.sd = 1, file = "data.csv", time.column = "t", map = [{ column = "level" }], hold_out.fraction = 0.3, qc.duplicates = "mean" }`, text)
	read := func(bytes int64) *Record {
		r, found := Read(w, []*sdk.Layout{scalars}, Known{Bytes: []int64{bytes}})
		if len(found) > 0 {
			t.Fatal(found.Text(false))
		}
		return r
	}
	grown, seed := read(ends[9]), rng.New(3)
	for _, end := range []int{10, 14, 15, 16, 33, 34, 59} {
		settled := grown.Settled()
		if !grown.Grow([]int64{ends[end]}) {
			t.Fatalf("%d rows: did not grow", end+1)
		}
		whole := read(ends[end])
		if !slices.Equal(grown.Times, whole.Times) || !slices.Equal(grown.closes, whole.closes) {
			t.Fatalf("%d rows: got times %v, want %v", end+1, grown.Times, whole.Times)
		}
		got, want := grown.HoldOut(w.Observations, seed), whole.HoldOut(w.Observations, seed)
		for k := 1; k <= len(whole.Times); k++ {
			want := want.In(k)
			if k <= settled {
				want = nil
			}
			if got := got.In(k); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%d rows, cycle %d: got %v, want %v", end+1, k, got, want)
			}
		}
		if got, want := grown.Arrival(), whole.Arrival(); !reflect.DeepEqual(got, want) {
			t.Errorf("%d rows: got %+v, want %+v", end+1, got, want)
		}
	}
	if whole := read(ends[59]); !grown.Reread([]int64{ends[59]}) || lines(grown) != lines(whole) || fmt.Sprint(grown.Rejected) != fmt.Sprint(whole.Rejected) {
		t.Error("what is read again is not the whole record")
	}
}

// TestGrowRefuses wants rows that a run in progress cannot take to be left to a run that is continued.
func TestGrowRefuses(t *testing.T) {
	for name, row := range map[string]string{"late": "1.5,3,\n", "error of its own": "9,3,2\n", "fault": "9,three,\n", "columns": "9,3\n", "twice": "4,3,\n"} {
		text := "t,level,sd\n1,10,\n2,11,\n3,12,\n4,13,\n"
		w := load(t, `time = {}
observations = { plugin = "o", error.sd = 1, file = "data.csv", time.column = "t", map = [{ column = "level", sd = "sd" }] }`, text+row)
		r, found := Read(w, []*sdk.Layout{scalars}, Known{Bytes: []int64{int64(len(text))}})
		if len(found) > 0 {
			t.Fatal(found.Text(false))
		}
		if r.Grow([]int64{int64(len(text + row))}) {
			t.Errorf("%s: the record grew", name)
		}
		if want := lines(r); !r.Reread([]int64{int64(len(text))}) || lines(r) != want {
			t.Errorf("%s: got\n%swant\n%s", name, lines(r), want)
		}
	}
}
