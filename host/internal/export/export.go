// Package export writes the tables of a run in formats of other programs: Parquet, CSV
// and netCDF. Exports are copies: a run directory is not changed.
package export

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plume-da/plume/sdk/wire/table"
)

// Format is a format of files.
type Format string

// The formats of exports.
const (
	Parquet Format = "parquet"
	CSV     Format = "csv"
	NetCDF  Format = "netcdf"
)

// Layouts are the layouts each format has, the default first; see package table. Of a
// run netCDF takes what makes arrays: truth, observations, ensembles and reference.
var Layouts = map[Format][]table.Layout{
	Parquet: {table.Native, table.Wide, table.Tidy, table.Tensor},
	CSV:     {table.Wide, table.Tidy},
	NetCDF:  {table.Tensor},
}

// gridded are the tables that netCDF takes.
var gridded = []string{"truth", "observations", "ensemble", "reference"}

// ErrChoice is the error of options that the format, or the run, does not have.
var ErrChoice = errors.New("want one of")

// Options say what is exported and how.
type Options struct {
	Format Format
	Layout table.Layout
	Tables []string // names such as metrics or ensemble; empty: all that the format takes
	Source string   // says in files where they come from
}

// Run exports the tables of the run directory dir into the new directory to, with the
// names they have there, and returns their paths below it. The directory appears when
// all is written.
func Run(ctx context.Context, dir, to string, o Options) ([]string, error) {
	if _, err := os.Lstat(to); err == nil {
		return nil, fmt.Errorf("%s: is there already; an export does not overwrite", to)
	}
	names, err := o.choose(dir)
	if err != nil {
		return nil, err
	}
	part := to + table.Part
	if err := os.Mkdir(part, 0o755); errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s: is there already: another export is under way, or was killed; remove it if so", part)
	} else if err != nil {
		return nil, err
	}
	for _, name := range names {
		err := ctx.Err()
		if err == nil {
			err = o.one(filepath.Join(dir, name), filepath.Join(part, strings.TrimSuffix(name, ".arrow")))
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", name, err), os.RemoveAll(part))
		}
	}
	if err := os.Rename(part, to); err != nil {
		return nil, err
	}
	return files(to, func(string) bool { return true })
}

// choose returns the tables of the run to export, by path.
func (o Options) choose(dir string) ([]string, error) {
	if _, ok := Layouts[o.Format]; !ok {
		return nil, fmt.Errorf("format: got %q, %w %v", o.Format, ErrChoice, slices.Sorted(maps.Keys(Layouts)))
	}
	if !slices.Contains(Layouts[o.Format], o.Layout) {
		return nil, fmt.Errorf("layout: got %q, %w %v", o.Layout, ErrChoice, Layouts[o.Format])
	}
	all, err := files(dir, func(name string) bool {
		return strings.HasSuffix(strings.TrimSuffix(name, table.Part), ".arrow") &&
			(o.Format != NetCDF || slices.Contains(gridded, tableOf(name))) && begun(filepath.Join(dir, name))
	})
	if err != nil {
		return nil, err
	}
	for i, name := range all {
		all[i] = strings.TrimSuffix(name, table.Part) // of a run that goes on: what there is
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
		return nil, fmt.Errorf("%s: there is nothing to export", dir)
	}
	return all, nil
}

// begun says whether a table has come to its first batch, before which its part is empty.
func begun(path string) bool {
	info, err := os.Stat(path)
	return err != nil || info.Size() > 0 || !strings.HasSuffix(path, table.Part)
}

// tableOf returns the name of the table a file belongs to.
func tableOf(path string) string {
	name, _, _ := strings.Cut(filepath.ToSlash(path), "/")
	return strings.TrimSuffix(strings.TrimSuffix(name, table.Part), ".arrow")
}

// files returns the paths of the files below dir that are wanted, sorted.
func files(dir string, wanted func(name string) bool) ([]string, error) {
	dir, err := filepath.EvalSymlinks(dir) // WalkDir does not follow one
	if err != nil {
		return nil, err
	}
	var list []string
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err == nil && wanted(name) {
			list = append(list, name)
		}
		return err
	})
	slices.Sort(list)
	return list, err
}

// one exports one table to a path without its extension.
func (o Options) one(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	switch o.Format {
	case CSV:
		return table.ToCSV(to+".csv", from, o.Layout)
	case NetCDF:
		return toNetCDF(to, from, o.Source)
	}
	return table.ToParquet(to+".parquet", from, o.Layout)
}
