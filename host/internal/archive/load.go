package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/wire/table"
)

// Reader reads the tables of a run directory. For a run that has ended these are the files
// that its manifest lists, and each is compared with its checksum before it is first
// read; for a run that is running or was killed they are what has been written so far.
//
// A run of another version may lack columns or tables. There is one rule for that: a
// missing column reads as null, a missing table has no rows, and [Reader.Missing] reports
// both, but no table where no trial has begun. A table without the columns that identify its rows is an error. A Reader is safe
// for concurrent use.
type Reader struct {
	Dir  string
	Info *Info // with the status that [ReadStatus] gives

	part string // name of the only part of each table that is read; empty: all

	mu      sync.Mutex
	checked map[string]*check // by path below Dir
	missing []string

	counting sync.Mutex
	counted  *begun // what the table of cycles holds; nil: it has not been counted
}

// Open opens the run directory dir for reading.
func Open(dir string) (*Reader, error) {
	info, err := ReadStatus(dir)
	if err != nil {
		return nil, err
	}
	return &Reader{Dir: dir, Info: info, checked: map[string]*check{}}, nil
}

// Missing returns, one line each, what is missing from the tables that have been read,
// because the run was written by another version.
func (r *Reader) Missing() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.missing)
}

func (r *Reader) miss(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if line := fmt.Sprintf(format, args...); !slices.Contains(r.missing, line) {
		r.missing = append(r.missing, line)
	}
}

// ErrDamaged is the error of a file that has changed since the run wrote it.
var ErrDamaged = errors.New("damaged")

// check is what the comparison of a file with its checksum has found, once done is closed.
type check struct {
	done    chan struct{}
	err     error
	stopped bool // before it had found anything
}

// Check returns an error if a file of the run, named by its path below Dir, is not a
// regular file or has changed since the run wrote it. The file is read only once for this.
func (r *Reader) Check(file string) error { return r.CheckContext(context.Background(), file) }

// CheckContext is like [Reader.Check] and stops reading when ctx is done.
func (r *Reader) CheckContext(ctx context.Context, file string) error {
	for {
		r.mu.Lock()
		c, begun := r.checked[file]
		if !begun {
			c = &check{done: make(chan struct{})}
			r.checked[file] = c
		}
		r.mu.Unlock()
		if !begun {
			r.begin(ctx, file, c)
		}
		select {
		case <-c.done:
		case <-ctx.Done():
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !c.stopped { // by another caller's context
			return c.err
		}
	}
}

// begin makes a check. One that is stopped is forgotten.
func (r *Reader) begin(ctx context.Context, file string, c *check) {
	defer close(c.done)
	c.err = r.check(ctx, file)
	if c.stopped = ctx.Err() != nil; c.stopped {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.checked, file)
	}
}

// CheckAhead checks the files of tables in the background, in this order, for a caller that will read
// all of them: a table is checked while others are read. Without checksums it does nothing.
func (r *Reader) CheckAhead(names ...string) {
	if r.Info.Files == nil {
		return
	}
	tables, _ := r.Tables() // of a run with checksums there is no error
	go func() {
		for _, name := range names {
			for _, file := range tables {
				if file == name+".arrow" || strings.HasPrefix(file, name+"/") {
					_ = r.Check(filepath.FromSlash(file)) // who reads it meets the error
				}
			}
		}
	}()
}

func (r *Reader) check(ctx context.Context, file string) error {
	path := filepath.Join(r.Dir, file)
	if r.Info.Files == nil { // the file may be a part
		return cmp.Or(absent(regular(path)), absent(regular(path+table.Part)))
	}
	sum, err := checksum(ctx, path)
	if want := r.Info.Files[filepath.ToSlash(file)]; err == nil && sum != want {
		err = fmt.Errorf("%s: %w: its sha256 is %.12s, but %.12s in %s; restore it, or run the workflow again",
			path, ErrDamaged, sum, want, infoFile)
	}
	return err
}

// CheckFiles compares all files of the run that have not been compared yet with the
// checksums in its manifest, and returns the differences, one line each.
func (r *Reader) CheckFiles() ([]string, error) {
	if r.Info.Files == nil {
		return nil, fmt.Errorf("%s: %s, so it has no checksums yet", r.Dir, r.Info.Unended())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	known := map[string]string{}
	for file, c := range r.checked {
		select {
		case <-c.done:
		default:
			continue
		}
		if c.err == nil {
			known[file] = r.Info.Files[filepath.ToSlash(file)]
		}
	}
	now, err := checksums(r.Dir, known)
	if err != nil {
		return nil, err
	}
	for file, sum := range now {
		if sum == r.Info.Files[file] {
			c := &check{done: make(chan struct{})}
			close(c.done)
			r.checked[filepath.FromSlash(file)] = c
		}
	}
	return differences(r.Info.Files, now, "has changed since the run wrote it"), nil
}

// regular returns an error if path is not a regular file: opening a named pipe would wait
// for its writer.
func regular(path string) error {
	info, err := os.Lstat(path)
	if err == nil && !info.Mode().IsRegular() {
		kinds := map[fs.FileMode]string{
			fs.ModeNamedPipe: "a named pipe", fs.ModeSymlink: "a link", fs.ModeDir: "a directory", fs.ModeSocket: "a socket",
		}
		err = fmt.Errorf("%s: got %s, want a regular file", path, cmp.Or(kinds[info.Mode().Type()], "a device"))
	}
	return err
}

// Tables returns the tables of the run by their paths below Dir, sorted. Tables of a run
// that has not ended have their final names.
func (r *Reader) Tables() ([]string, error) {
	if r.Info.Files == nil {
		return r.written(".")
	}
	names := slices.DeleteFunc(slices.Collect(maps.Keys(r.Info.Files)), func(name string) bool { return filepath.Ext(name) != ".arrow" })
	slices.Sort(names)
	return names, nil
}

// written returns the tables below a folder of the run that have been started.
func (r *Reader) written(folder string) ([]string, error) {
	dir, err := filepath.EvalSymlinks(r.Dir) // WalkDir does not follow one
	if err != nil {
		return nil, err
	}
	var names []string
	err = filepath.WalkDir(filepath.Join(dir, folder), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return absent(err)
		}
		info, err := d.Info()
		if err != nil || info.Size() == 0 && strings.HasSuffix(path, table.Part) { // its writer has not reached the first batch
			return absent(err)
		}
		name, err := filepath.Rel(dir, strings.TrimSuffix(path, table.Part))
		if filepath.Ext(name) == ".arrow" {
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	slices.Sort(names)
	return slices.Compact(names), err
}

// files returns the files that hold a table such as cycles: a single file, or its parts in
// their order.
func (r *Reader) files(name string) (parts []string, err error) {
	if r.part != "" {
		file := filepath.Join(name, r.part)
		for _, path := range []string{file, file + table.Part} {
			if _, err := os.Lstat(filepath.Join(r.Dir, path)); err == nil {
				return []string{file}, nil
			}
		}
		return nil, nil
	}
	whole := name + ".arrow"
	there := func(file string) bool { _, err := os.Lstat(filepath.Join(r.Dir, file)); return err == nil }
	if r.Info.Files == nil {
		if there(whole) {
			return []string{whole}, nil
		}
		if parts, err = r.written(name); len(parts) == 0 && there(whole+table.Part) {
			return []string{whole}, err
		}
	} else {
		if _, ok := r.Info.Files[whole]; ok {
			return []string{whole}, nil
		}
		parts, err = r.Tables()
		parts = slices.DeleteFunc(parts, func(file string) bool { return !strings.HasPrefix(file, name+"/") })
		if len(parts) == 0 && !slices.Contains(optional, name) && r.begun() {
			r.miss("there is no %s", whole)
		}
	}
	slices.SortFunc(parts, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	return parts, err
}

// begun reports whether a run that has ended has tables of trials: it has none if no truth could be
// made, so that no trial has begun.
func (r *Reader) begun() bool {
	for name := range r.Info.Files {
		if name == "cycles.arrow" || strings.HasPrefix(name, "cycles/") {
			return true
		}
	}
	return false
}

// optional are the tables that not every run has; observed is written when a trial ends well.
var optional = []string{"truth", "coordinates", "ensemble", "reference", "smoothed", "lags", "held_out", "rejections", "observed", "forecasts", "exceedances", "verification", "forecast_scores", "reliability", "passes", "start", "fit"}

// Size returns the bytes of the files that hold a table; 0 if there are none.
func (r *Reader) Size(name string) (sum int64, err error) {
	files, err := r.files(name)
	for _, file := range files {
		path := filepath.Join(r.Dir, file)
		info, failed := os.Lstat(path)
		if errors.Is(failed, fs.ErrNotExist) {
			info, failed = os.Lstat(path + table.Part)
		}
		if failed != nil {
			return 0, failed
		}
		sum += info.Size()
	}
	return sum, err
}

// Text returns a text file of the run; empty if there is none of that name.
func (r *Reader) Text(name string) (string, error) {
	path := filepath.Join(r.Dir, name)
	err := regular(path)
	if _, summed := r.Info.Files[name]; err == nil && summed {
		err = r.Check(name)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	return string(text), absent(err)
}

// errStop ends a scan whose caller wants no more rows.
var errStop = errors.New("no more rows are wanted")

// scan yields the record batches of a table as T, a struct whose fields are tagged with
// the names of columns:
//
//	column:"cycle"     the table must have it
//	column:"nis,null"  reads as null if the table does not have it, which Missing reports
//	column:"stage,nil" is nil if the table does not have it, as some tables do not
//	column:"*"         a []Field of the variables, or a map of the other numbers; the last
//
// Only these columns are read, and of the other numbers those that more names, or all.
func scan[T any](r *Reader, name string, more ...string) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		columns := wanted(reflect.TypeFor[T](), more)
		files, err := r.files(name)
		for _, file := range files {
			if err = cmp.Or(err, r.Check(file)); err != nil {
				break
			}
			err = table.Scan(filepath.Join(r.Dir, file), func(t *table.Table) error {
				batch := new(T)
				if err := r.fill(reflect.ValueOf(batch).Elem(), file, t); err != nil {
					return err
				}
				if !yield(batch, nil) {
					return errStop
				}
				return nil
			}, columns...)
			if errors.Is(err, errStop) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// ahead yields the batches of a table that is read to its end: the next one is read while one is
// used.
func ahead[T any](batches iter.Seq2[*T, error]) iter.Seq2[*T, error] {
	type item struct {
		batch *T
		err   error
	}
	return func(yield func(*T, error) bool) {
		next, stop := make(chan item), make(chan struct{})
		go func() {
			defer close(next)
			for batch, err := range batches {
				select {
				case next <- item{batch, err}:
				case <-stop:
					return
				}
			}
		}()
		defer func() {
			close(stop)
			for range next { // until the goroutine has ended
			}
		}()
		for i := range next {
			if !yield(i.batch, i.err) {
				return
			}
		}
	}
}

// wanted returns the names of the columns to read for a batch; none means all.
func wanted(batch reflect.Type, more []string) []string {
	names := slices.Clone(more)
	for i := range batch.NumField() {
		name, _, _ := strings.Cut(batch.Field(i).Tag.Get("column"), ",")
		if name == "*" && more == nil {
			return nil
		}
		names = append(names, name)
	}
	return names
}

// fill sets the fields of a batch to the columns of t.
func (r *Reader) fill(batch reflect.Value, file string, t *table.Table) error {
	var named, lacking []string
	for i := range batch.NumField() {
		name, rule, _ := strings.Cut(batch.Type().Field(i).Tag.Get("column"), ",")
		named = append(named, name)
		field, k := batch.Field(i), slices.Index(t.Names, name)
		switch {
		case name == "*":
			if err := rest(field.Addr().Interface(), t, named); err != nil {
				return err
			}
		case k >= 0 && set(field, reflect.ValueOf(t.Columns[k]), t.Valid[k]):
		case rule == "nil":
		case rule == "null":
			r.miss("%s has no column %s", file, name)
			set(field, nulls(field.Type(), t.Rows), make([]bool, t.Rows))
		default:
			lacking = append(lacking, name)
		}
	}
	if len(lacking) > 0 {
		return fmt.Errorf("columns: got %s, missing %s; the run was written by plume %s",
			strings.Join(t.Names, ", "), strings.Join(lacking, ", "), cmp.Or(r.Info.Plume, "of another version"))
	}
	return nil
}

// set sets a field, a slice or a [table.Nullable], to a column. It reports whether the
// column has the type of the field.
func set(field, column reflect.Value, valid []bool) bool {
	if field.Kind() == reflect.Struct {
		field.FieldByName("Valid").Set(reflect.ValueOf(valid))
		field = field.FieldByName("Values")
	}
	if field.Type() != column.Type() {
		return false
	}
	field.Set(column)
	return true
}

// nulls returns a column of nulls for a field, as [table.Scan] reads them.
func nulls(field reflect.Type, rows int) reflect.Value {
	if field.Kind() == reflect.Struct {
		values, _ := field.FieldByName("Values")
		field = values.Type
	}
	if field == reflect.TypeFor[[]float64]() {
		return reflect.ValueOf(slices.Repeat([]float64{math.NaN()}, rows))
	}
	return reflect.MakeSlice(field, rows, rows)
}

// rest sets a field to the variables of a table, to its numbers without those that have a
// field of their own, or to all of it.
func rest(field any, t *table.Table, named []string) (err error) {
	switch to := field.(type) {
	case *[]Field:
		*to, err = fieldsOf(t)
	case *map[string]table.Nullable[float64]:
		*to = map[string]table.Nullable[float64]{}
		for i, name := range t.Names {
			if values, ok := t.Columns[i].([]float64); ok && !slices.Contains(named, name) {
				(*to)[name] = table.Nullable[float64]{Values: values, Valid: t.Valid[i]}
			}
		}
	case **table.Table:
		*to = t
	}
	return err
}

// Field is the values of one variable in some rows.
type Field struct {
	sdk.Variable
	Single bool // stored as float32
	values any  // []float64, or [][]float64
}

// Row returns the values in a row, row-major; NaN means null.
func (f Field) Row(i int) []float64 {
	if values, ok := f.values.([]float64); ok {
		return values[i : i+1]
	}
	return f.values.([][]float64)[i]
}

// fieldsOf returns the variables of a table: its columns that have a shape.
func fieldsOf(t *table.Table) ([]Field, error) {
	var list []Field
	for i, meta := range t.Metadata {
		text, ok := meta["shape"]
		if !ok {
			continue
		}
		f := Field{Variable: sdk.Variable{Name: t.Names[i], Unit: meta["unit"]}, Single: t.Single[i], values: t.Columns[i]}
		split := func(text string) []string { return strings.FieldsFunc(text, func(c rune) bool { return c == ',' }) }
		for _, k := range split(text) {
			n, err := strconv.Atoi(k)
			if err != nil {
				return nil, fmt.Errorf("variable %s: shape: got %q", f.Name, text)
			}
			f.Shape = append(f.Shape, n)
		}
		if meta["dims"] != "" {
			f.Dims = strings.Split(meta["dims"], ",")
		}
		switch values := f.values.(type) {
		case []float64:
			ok = f.Shape == nil
		case [][]float64:
			ok = f.Shape != nil && (len(values) == 0 || len(values[0]) == f.Size())
		default:
			ok = false
		}
		if !ok {
			return nil, fmt.Errorf("variable %s: shape: got %q, which does not match its values", f.Name, text)
		}
		list = append(list, f)
	}
	return list, nil
}
