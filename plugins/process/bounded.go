package process

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"gonum.org/v1/gonum/mat"
)

// What is read into memory as a whole may have so many bytes, and in addition as many for each
// value that is to be in it: a program that prints without end would take all of the memory.
// Variables for tests.
var (
	mostText   = 1 << 30  // of a file
	mostAnswer = 16 << 20 // of a server's line
)

const perValue = 64

// boundOf returns how many bytes there may be for the values of into.
func boundOf(most int, into *mat.Dense) int {
	rows, n := into.Dims()
	return most + perValue*rows*n
}

// bounded is a reader that gives an error after so many bytes.
type bounded struct {
	io.Reader
	most, read int
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p[:min(len(p), b.most-b.read+1)])
	if b.read += n; b.read > b.most {
		return 0, fmt.Errorf("has more than %d bytes", b.most)
	}
	return n, err
}

// readText returns what r holds, of up to most bytes, without the mark that some programs begin a
// text with.
func readText(r io.Reader, most int) (string, error) {
	text, err := io.ReadAll(&bounded{Reader: r, most: most})
	return strings.TrimPrefix(string(text), "\ufeff"), err
}

// readFile returns the text of a file.
func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(&bounded{Reader: f, most: mostText})
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return string(text), nil
}

// errLong is the error of a line that has more bytes than it may have.
var errLong = errors.New("is too long")

// readLine returns a line of up to most bytes with its end. Of one that is longer it returns the
// beginning, and errLong.
func readLine(r *bufio.Reader, most int) (line []byte, err error) {
	for {
		piece, err := r.ReadSlice('\n')
		line = append(line, piece...)
		switch {
		case len(line) > most:
			return line, errLong
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		}
	}
}
