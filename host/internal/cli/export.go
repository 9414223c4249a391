package cli

import (
	"errors"
	"os"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/export"
	"github.com/plume-da/plume/sdk/wire/table"
	"github.com/spf13/cobra"
)

func (a *app) export() *cobra.Command {
	var root, to, format, layout string
	var tables []string
	c := &cobra.Command{
		Use:   "export RUN --to DIR",
		Short: "Copy a run's tables as Parquet, CSV, netCDF or Zarr",
		Long: `Export copies the tables of a run into a new directory, under the names that
they have in the run, and prints the names of the files. For a run that has not
ended it copies what has been written so far. The new directory is outside of
runs, and is there when the export is complete: one that is stopped leaves
nothing.

Formats and their layouts, the default first:
  parquet  native  as stored: one column of lists per variable; zstd
           wide    one column per value: u_0, u_1, ...
           tidy    one row per value: columns variable, index and value
           tensor  native, marked as arrow.fixed_shape_tensor
  csv      wide, tidy
  netcdf   tensor  arrays (cycle, member, ...) of truth, observations,
                   ensembles, smoothed states and reference, and forecasts
                   as (statistic, cycle, lead, ...), in files that every
                   netCDF library reads, with units, coordinates and dates
                   as in the CF conventions
  zarr     tensor  the same arrays without forecasts as one store, version 3,
                   for large states and for many trials: groups such as
                   analysis, (trial, cycle, member, ...), and truth,
                   (replicate, cycle, ...), with filters and values of the
                   sweep as coordinates; xarray.open_zarr(DIR, group=GROUP)
                   and xarray.open_datatree(DIR, engine="zarr") open it;
                   xarray needs no engine if the name of DIR ends in .zarr.
                   Chunks of many small trials have 1 MB, those of large
                   states 8 MB; it is written in the memory of a cycle, with
                   all cores. States that are not one array, as where the
                   size of the model is swept over, and truths of which a
                   replicate has several, have groups of their own, such as
                   analysis/trial=0001 and truth/replicate=001-0

Files of netCDF and groups of Zarr say as attributes which run they are of, and
their trial, replicate, truth, filter, plugin and stage, and values of the sweep
by their keys, such as model.params.n.

If time.start is a date, the column date after time has the dates of model
times, in UTC, and valid_date after valid; times in netCDF are dates.

A member that has left its ensemble is NaN in arrays, and so is what a shorter
or a smaller trial lacks next to others. Names have underscores in place of
slashes, and dimensions whose names mean something else begin with that of their
variable.

A table with parts for several truths or trials is a folder, such as
truth/replicate=001/part-00000.csv, which pyarrow and DuckDB read as one table.

RUN is a path, @last, or the first characters of the name of a run.`,
		Example: `  plume export @last --to l63-parquet
  plume export @last --to l63-nc --format netcdf --tables ensemble,truth
  plume export @last --to l63.zarr --format zarr`,
		Args: exactly(1, "one run"),
		RunE: func(c *cobra.Command, args []string) error {
			if to == "" {
				return usage("--to: want the name of a new directory")
			}
			if layouts := export.Layouts[export.Format(format)]; layout == "" && len(layouts) > 0 {
				layout = string(layouts[0])
			}
			dir, err := archive.Find(root, args[0])
			if err != nil {
				return usage("%v", err)
			}
			r, err := archive.Open(dir)
			if err != nil {
				return err
			}
			part := export.Part(to)
			a.part.Store(&part)
			written, err := export.Run(c.Context(), r, to, export.Options{
				Format: export.Format(format), Layout: table.Layout(layout), Tables: tables, Source: "plume " + versionText(),
			})
			a.part.Store(nil)
			if _, left := os.Lstat(part); err != nil && c.Context().Err() != nil && left != nil {
				a.say("%s is not written; what was begun of it is removed", to)
			}
			if errors.Is(err, export.ErrChoice) {
				return usage("--%v", err)
			}
			for _, name := range written {
				err = errors.Join(err, a.printFile(name))
			}
			if err == nil {
				what := "file"
				if format == string(export.Zarr) {
					what = "group"
				}
				a.say("%s in %s", diag.Plural(len(written), what), to)
			}
			return err
		},
	}
	c.ValidArgsFunction = completeRuns(&root)
	c.Flags().StringVar(&root, "run-dir", defaultRoot, "directory that contains the runs")
	c.Flags().StringVar(&to, "to", "", "the new `directory`")
	c.Flags().StringVar(&format, "format", string(export.Parquet), "parquet, csv, netcdf or zarr")
	c.Flags().StringVar(&layout, "layout", "", "native, wide, tidy or tensor (default: the first of the format)")
	c.Flags().StringSliceVar(&tables, "tables", nil, "tables to export, such as metrics,ensemble (default: all)")
	completeFlag(c, "format", words("parquet", "csv", "netcdf", "zarr"))
	completeFlag(c, "layout", words("native", "wide", "tidy", "tensor"))
	return c
}
