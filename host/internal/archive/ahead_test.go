package archive

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Batches come in their order with the error at the end; who wants no more ends the reading too, which
// is at most one batch ahead.
func TestAhead(t *testing.T) {
	failed := errors.New("failed")
	for _, wanted := range []int{1, 3, 9} {
		read, ended := 0, false
		source := func(yield func(*int, error) bool) {
			defer func() { ended = true }()
			for k := range 5 {
				if read = k + 1; !yield(&k, nil) {
					return
				}
			}
			yield(nil, failed)
		}
		var got []int
		var err error
		for b, failed := range ahead(source) {
			if err = failed; err == nil {
				got = append(got, *b)
			}
			if len(got) == wanted {
				break
			}
		}
		if want := []int{0, 1, 2, 3, 4}[:min(wanted, 5)]; !slices.Equal(got, want) || (wanted > 5) != errors.Is(err, failed) {
			t.Errorf("%d batches: got %v, %v", wanted, got, err)
		}
		if !ended || read > len(got)+1 {
			t.Errorf("%d batches: %d were read, ended: %v", wanted, read, ended)
		}
	}
}

// Tables that are checked ahead are read as others are, and a damaged one is an error when it is read.
func TestCheckAhead(t *testing.T) {
	dir := full(t)
	path := filepath.Join(dir, "variables.arrow")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		r, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		r.CheckAhead("cycles", "nothing", "variables", "observations")
		for _, err := range r.Cycles() {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, err := range r.Variables() {
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path) {
				t.Fatalf("got %v", err)
			}
		}
		if missing := r.Missing(); len(missing) > 0 {
			t.Fatalf("missing: %v", missing)
		}
	}
}
