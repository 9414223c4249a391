package experiment

import (
	"encoding/json"
	"os"
	"sync"
	"time"

	"github.com/plume-da/plume/host/internal/launch"
)

// logFile stores the messages of plugins: in memory until the run has a directory, then in
// a file with one JSON object per line.
type logFile struct {
	mu    sync.Mutex
	early []logLine
	file  *os.File
	err   error
}

type logLine struct {
	Time    time.Time         `json:"time"`
	Plugin  string            `json:"plugin"`
	Level   string            `json:"level"`
	Message string            `json:"message"`
	Fields  map[string]string `json:"fields,omitempty"`
}

func (l *logFile) record(r launch.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := logLine{time.Now().UTC(), r.Plugin, r.Level, r.Message, r.Fields}
	if l.file == nil {
		l.early = append(l.early, line)
		return
	}
	l.write(line)
}

// write appends a line; close returns the first error.
func (l *logFile) write(line logLine) {
	if err := json.NewEncoder(l.file).Encode(line); err != nil && l.err == nil {
		l.err = err
	}
}

func (l *logFile) open(path string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	if l.file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644); err != nil {
		return err
	}
	for _, line := range l.early {
		l.write(line)
	}
	l.early = nil
	return nil
}

func (l *logFile) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	if err := l.file.Close(); err != nil {
		return err
	}
	return l.err
}
