package wire

import (
	"encoding/json"
	"time"
)

// Error is what every failure is answered with.
type Error struct {
	Error ErrorBody `json:"error"`
}

// ErrorBody is what went wrong.
type ErrorBody struct {
	Code      int      `json:"code"`    // the HTTP status
	Message   string   `json:"message"` // one line for people
	Status    string   `json:"status"`  // such as "NOT_FOUND"
	Errors    []string `json:"errors,omitempty"`
	RequestID string   `json:"request_id,omitempty"` // beyond AMS; the audit and the log have it too
}

// Empty is an answer without fields.
type Empty struct{}

// Version is what runs there.
type Version struct {
	Release      string `json:"release"`
	Golang       string `json:"golang"`
	Compiler     string `json:"compiler"`
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
}

// Status is how it is. The push fields have their place in AMS's shape.
type Status struct {
	Status            string     `json:"status"` // "ok"; "warning": the directory is not current
	PushFunctionality string     `json:"push_functionality"`
	PushServers       []string   `json:"push_servers"`
	Directory         *Directory `json:"directory,omitempty"` // beyond AMS
}

// Directory is how the view is that a replica has of the directory.
type Directory struct {
	Current bool      `json:"current"`        // it follows the store
	AsOf    time.Time `json:"as_of,omitzero"` // when the view was last known to be current
}

// Permissions is what a user would get on connecting to NATS: what "usher explain
// --json" prints. Beyond AMS.
type Permissions = json.RawMessage
