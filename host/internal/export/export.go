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
// files have been written. A directory of Zarr is a store, and the paths are those of its groups.
func Run(ctx context.Context, r *archive.Reader, to string, o Options) ([]string, error) {
	if _, err := os.Lstat(to); err == nil {
		return nil, fmt.Errorf("%s: already exists; an export does not overwrite", to)
	}
	names, err := o.choose(r)
	if err != nil {
		return nil, err
	}
	var at places
	if gridded[o.Format] != nil {
		if at, err = placesOf(r); err != nil {
			return nil, err
		}
	}
	part := filepath.Clean(to) + table.Part // to may end with a slash
	if err := os.Mkdir(part, 0o755); errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s: already exists: another export is running, or was killed; if so, remove it", part)
	} else if err != nil {
		return nil, err
	}
	store, err := newZarr(part)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(part))
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	empty := make([]bool, len(names))
	for i, name := range names {
		g.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			err := o.one(r, strings.TrimSuffix(name, ".arrow"), store, at)
			if empty[i] = errors.Is(err, errEmpty); err != nil && !empty[i] {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
	err = g.Wait()
	if err == nil && !slices.Contains(empty, false) {
		err = fmt.Errorf("%s: there is nothing to export: %s %w; see output.ensemble and output.ensemble_every in the workflow", r.Dir, names[0], errEmpty)
	}
	for i, name := range names { // folders that nothing has come into
		for dir := filepath.Dir(name); empty[i] && dir != "."; dir = filepath.Dir(dir) {
			os.Remove(filepath.Join(part, dir))
		}
	}
	if err == nil && o.Format == Zarr {
		err = store.close([]attribute{{"Conventions", "CF-1.11"}, {"title", r.Info.Name}, {"source", o.Source}})
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(part))
	}
	if err := os.Rename(part, to); err != nil {
		return nil, err
	}
	if o.Format == Zarr {
		return store.groups(), nil
	}
	return files(to)
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

// one exports the table called name into the directory of store.
func (o Options) one(r *archive.Reader, name string, store *zarr, at places) error {
	from, to := name+".arrow", filepath.Join(store.dir, name)
	if err := r.Check(from); err != nil {
		return err
	}
	if o.Format == Zarr {
		return store.export(r, name, o.Source, at)
	}
	from = filepath.Join(r.Dir, from)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	var dates table.Dates
	if _, ok := r.Info.Dates.At(0); ok {
		dates = func(t float64) time.Time { at, _ := r.Info.Dates.At(t); return at }
	}
	switch o.Format {
	case CSV:
		return table.ToCSV(to+".csv", from, o.Layout, dates)
	case NetCDF:
		if tableOf(name) == forecasts {
			return forecastsToNetCDF(filepath.Join(store.dir, forecasts), r, o.Source)
		}
		return toNetCDF(to, r, name, o.Source, at)
	}
	return table.ToParquet(to+".parquet", from, o.Layout, dates)
}
