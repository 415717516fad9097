package rest

import (
	"encoding/json"
	"net/http"
)

// TypeLines is the content type of a response with one JSON object a line.
const TypeLines = "application/x-ndjson"

// Lines writes one JSON object a line.
type Lines struct {
	enc   *json.Encoder
	flush func() error
	err   error
}

// NewLines returns the lines of a response.
func NewLines(w http.ResponseWriter) *Lines {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &Lines{enc: enc, flush: http.NewResponseController(w).Flush}
}

// Write writes a line, which may be sent later. It keeps the first error; a client that
// disconnects also ends the context of the request.
func (l *Lines) Write(line any) {
	if l.err == nil {
		l.err = l.enc.Encode(line)
	}
}

// Send writes a line, and sends it at once.
func (l *Lines) Send(line any) {
	if l.Write(line); l.err == nil {
		_ = l.flush() // a writer that cannot flush sends the lines later
	}
}

// Err returns the first error.
func (l *Lines) Err() error { return l.err }
