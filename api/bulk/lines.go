package bulk

import (
	"encoding/json"
	"net/http"

	"usher/api/wire"
)

// lineWriter writes one JSON object a line, and flushes progress at once.
type lineWriter struct {
	enc   *json.Encoder
	flush func() error
	err   error
}

func newLineWriter(w http.ResponseWriter) *lineWriter {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &lineWriter{enc: enc, flush: http.NewResponseController(w).Flush}
}

// write writes a line. It keeps the first error; a client that disconnects also ends the
// context of the request, and with it the import.
func (l *lineWriter) write(line wire.ImportLine) {
	if l.err == nil {
		l.err = l.enc.Encode(line)
	}
	if l.err == nil && line.Diff == "" {
		_ = l.flush() // a writer that cannot flush sends the lines later
	}
}
