// Package export writes the tables of a run in formats of other programs: Parquet, CSV,
// netCDF and Zarr. Exports are copies: a run directory is not modified.
package export

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/sdk/wire/table"
	"golang.org/x/sync/errgroup"
)

// Format is a format of files.
type Format string

// The formats of exports.
const (
	Parquet Format = "parquet"
	CSV     Format = "csv"
	NetCDF  Format = "netcdf"
	Zarr    Format = "zarr"
)

// Layouts are the layouts of each format, the default first; see package table. netCDF
// takes only the tables that are arrays: truth, observations, members, reference and forecasts.
// So does Zarr, without forecasts.
var Layouts = map[Format][]table.Layout{
	Parquet: {table.Native, table.Wide, table.Tidy, table.Tensor},
	CSV:     {table.Wide, table.Tidy},
	NetCDF:  {table.Tensor},
	Zarr:    {table.Tensor},
}

// gridded are the tables that formats of arrays take.
var gridded = map[Format][]string{
	NetCDF: {"truth", "observations", "ensemble", "smoothed", "reference", forecasts},
	Zarr:   {"truth", "observations", "ensemble", "smoothed", "reference"},
}

// forecasts is the table of free forecasts.
const forecasts = "forecasts"

// ErrChoice is the error of an option that the format, or the run, does not have.
var ErrChoice = errors.New("want one of")

// errEmpty is the error of a table that makes no array; an export leaves it out.
var errEmpty = errors.New("has no rows")

// Options say what is exported and how.
type Options struct {
	Format Format
	Layout table.Layout
	Tables []string // names such as metrics or ensemble; empty: all that the format takes
	Source string   // written to the files, to say where they come from
}

// Run exports the tables of a run into the new directory to, under the names that they have
// in the run directory, and returns their paths below it. The directory appears when all
// files have been written; when ctx is done before, nothing is left of them. A directory of Zarr is a store, and the paths are those of its groups.
func Run(ctx context.Context, r *archive.Reader, to string, o Options) ([]string, error) {
	if err := free(to); err != nil {
		return nil, err
	}
	names, err := o.choose(r)
	if err != nil {
		return nil, err
	}
	part := Part(to)
	if err := os.Mkdir(part, 0o755); errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s: already exists: another export is running, or was killed; if so, remove it", part)
	} else if err != nil {
		return nil, err
	}
	written, err := o.write(ctx, r, names, part)
	if err == nil {
		err = os.Rename(part, to)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(part))
	}
	return written, nil
}

// Part returns the name that an export to a directory has until it is complete.
func Part(to string) string { return filepath.Clean(to) + table.Part } // to may end with a slash

// free returns an error if to is there, if nothing can be made there, or if it is in a run, whose
// files are those that it has written.
func free(to string) error {
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("%s: already exists; an export does not overwrite", to)
	}
	above := filepath.Dir(filepath.Clean(to))
	switch info, err := os.Stat(above); {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s: there is no directory %s; make it first: mkdir -p %[2]s", to, above)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s: %s is not a directory", to, above)
	}
	dir, err := archive.Around(above)
	if err == nil && dir != "" {
		err = fmt.Errorf("%s: is in the run %s, which then holds files that it has not written; name a directory outside of it", to, dir)
	}
	return err
}

// write exports tables into the directory part and returns the paths of what it has written.
func (o Options) write(ctx context.Context, r *archive.Reader, names []string, part string) ([]string, error) {
	one := func(ctx context.Context, name string) error { return o.file(ctx, r, name, part) }
	if gridded[o.Format] == nil {
		if err := o.each(ctx, r, names, part, one); err != nil {
			return nil, err
		}
		return files(part)
	}
	from, err := originsOf(r, o.Source)
	if err != nil {
		return nil, err
	}
	if o.Format == Zarr {
		return o.toZarr(ctx, r, names, part, from)
	}
	if err := o.each(ctx, r, names, part, func(ctx context.Context, name string) error { return toArrays(ctx, r, name, part, from) }); err != nil {
		return nil, err
	}
	return files(part)
}

// toZarr exports tables as a store and returns the paths of its groups.
func (o Options) toZarr(ctx context.Context, r *archive.Reader, names []string, part string, from *origins) ([]string, error) {
	store, err := newZarr(part)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var tables []*surveyed
	err = o.each(ctx, r, names, part, func(ctx context.Context, name string) error {
		t, err := survey(ctx, r, name, from.of(name), false)
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			tables = append(tables, t)
		}
		return err
	})
	if err == nil {
		err = store.export(ctx, r, tables, from)
	}
	if err != nil {
		return nil, err
	}
	return store.groups(), store.close(ctx, from.every)
}

// each exports the tables with one, at the same time, and removes the folders of those that make no array.
func (o Options) each(ctx context.Context, r *archive.Reader, names []string, part string, one func(context.Context, string) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	empty := make([]bool, len(names))
	for i, name := range names {
		g.Go(func() error {
			err := r.CheckContext(ctx, name)
			if err == nil {
				err = one(ctx, strings.TrimSuffix(name, ".arrow"))
			}
			if empty[i] = errors.Is(err, errEmpty); err != nil && !empty[i] {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
	err := g.Wait()
	if err == nil && !slices.Contains(empty, false) {
		err = fmt.Errorf("%s: there is nothing to export: %s %w; see output.ensemble and output.ensemble_every in the workflow", r.Dir, names[0], errEmpty)
	}
	for i, name := range names { // folders that nothing has come into
		for dir := filepath.Dir(name); empty[i] && dir != "."; dir = filepath.Dir(dir) {
			os.Remove(filepath.Join(part, dir))
		}
	}
	return err
}

// choose returns the tables of the run to export, by path.
func (o Options) choose(r *archive.Reader) ([]string, error) {
	if _, ok := Layouts[o.Format]; !ok {
		return nil, fmt.Errorf("format: got %q, %w %v", o.Format, ErrChoice, slices.Sorted(maps.Keys(Layouts)))
	}
	if !slices.Contains(Layouts[o.Format], o.Layout) {
		return nil, fmt.Errorf("layout: got %q, %w %v", o.Layout, ErrChoice, Layouts[o.Format])
	}
	all, err := r.Tables()
	if err != nil {
		return nil, err
	}
	if arrays := gridded[o.Format]; arrays != nil {
		all = slices.DeleteFunc(all, func(path string) bool { return !slices.Contains(arrays, tableOf(path)) })
		all = slices.CompactFunc(all, func(a, b string) bool { return tableOf(a) == forecasts && tableOf(b) == forecasts }) // parts are read together
	}
	for _, name := range o.Tables {
		if !slices.ContainsFunc(all, func(path string) bool { return tableOf(path) == name }) {
			var there []string
			for _, path := range all {
				there = append(there, tableOf(path))
			}
			return nil, fmt.Errorf("tables: got %q, %w %v", name, ErrChoice, slices.Compact(there))
		}
	}
	if len(o.Tables) > 0 {
		all = slices.DeleteFunc(all, func(path string) bool { return !slices.Contains(o.Tables, tableOf(path)) })
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: there is nothing to export", r.Dir)
	}
	return all, nil
}

// tableOf returns the name of the table that a file belongs to.
func tableOf(path string) string {
	name, _, _ := strings.Cut(path, "/")
	return strings.TrimSuffix(name, ".arrow")
}

// files returns the paths of the files below dir, sorted.
func files(dir string) ([]string, error) {
	var list []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		list = append(list, name)
		return err
	})
	slices.Sort(list)
	return list, err
}

// file exports the table called name as a file below dir.
func (o Options) file(ctx context.Context, r *archive.Reader, name, dir string) error {
	from, to := filepath.Join(r.Dir, name+".arrow"), filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	var dates table.Dates
	if _, ok := r.Info.Dates.At(0); ok {
		dates = func(t float64) time.Time { at, _ := r.Info.Dates.At(t); return at }
	}
	if o.Format == CSV {
		return table.ToCSV(ctx, to+".csv", from, o.Layout, dates)
	}
	return table.ToParquet(ctx, to+".parquet", from, o.Layout, dates)
}

// toArrays exports the table called name as files of netCDF below dir.
func toArrays(ctx context.Context, r *archive.Reader, name, dir string, from *origins) error {
	if tableOf(name) == forecasts {
		return forecastsToNetCDF(ctx, filepath.Join(dir, forecasts), r, from)
	}
	to := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return toNetCDF(ctx, to, r, name, from)
}
