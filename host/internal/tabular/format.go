package tabular

import (
	"os"

	"github.com/plume-da/plume/sdk/wire/rows"
)

// formats are the supported formats. A new one is a row here, and a source in a file of
// its own.
var formats = []format{
	{".csv", "text, with a line of names and a comma between the columns", text(Dialect{Delimiter: ","}), line},
	{".tsv", "text with tabs between the columns", text(Dialect{Delimiter: "\t"}), line},
	{".txt", "text, as .csv", text(Dialect{Delimiter: ","}), line},
	{".dat", "text, as .csv", text(Dialect{Delimiter: ","}), line},
	{".rdb", "text with tabs, comments after # and a row of formats after the line of names, as of the USGS", text(Dialect{Delimiter: "\t", Comment: "#", SkipRows: 1}), line},
	{".arrow", "Arrow IPC file", columnar(rows.Arrow), nil},
	{".feather", "Feather, version 2", columnar(rows.Arrow), nil},
	{".parquet", "Parquet", columnar(rows.Parquet), nil},
	{".nc", "netCDF in the classic formats: a row for each value of the variables that are read", openNetCDF, nil},
}

// format is one format of files.
type format struct {
	ending string // extension of their names
	about  string
	open   opener                               // f is closed by the caller if there is an error
	line   func(path string, number int) string // of a text file: the line where the row of that number begins
}

// opener opens a file as a source; of a text, only so many bytes if that is not 0.
type opener func(f *os.File, d Dialect, bytes int64) (source, error)

// source reads the rows of an open file.
type source interface {
	Columns() []rows.Column
	Select(refs []rows.Ref) error           // chooses what Next returns; called once, before Next
	Next(cells []Cell) (ok bool, err error) // false at the end
	Row() int                               // number of the row that Next returned; see [Table.Row]
	At(column int) Place                    // of a value of that row
	Close() error
}

// Formats returns the extensions of the files that [Open] reads, each with a description
// of the format.
func Formats() (list [][2]string) {
	for _, f := range formats {
		list = append(list, [2]string{f.ending, f.about})
	}
	return list
}

// counted is a source whose rows have no other place than their number.
type counted struct {
	*rows.Reader
	row int
}

func columnar(open func(*os.File) (*rows.Reader, error)) opener {
	return func(f *os.File, _ Dialect, _ int64) (source, error) {
		r, err := open(f)
		return &counted{Reader: r}, err
	}
}

func (c *counted) Next(cells []Cell) (bool, error) {
	c.row++
	return c.Reader.Next(cells)
}

func (c *counted) Row() int     { return c.row }
func (c *counted) At(int) Place { return Place{} }
