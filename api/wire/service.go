package wire

import (
	"encoding/json"
	"time"
)

// Error is the response to every request that fails.
type Error struct {
	Error ErrorBody `json:"error"`
}

// ErrorBody describes the error.
type ErrorBody struct {
	Code      int      `json:"code"`                 // the HTTP status
	Message   string   `json:"message"`              // one line, for humans
	Status    string   `json:"status"`               // such as "NOT_FOUND"
	Errors    []string `json:"errors,omitempty"`     // what exactly is wrong, and what to do
	RequestID string   `json:"request_id,omitempty"` // also in audit and log; not in AMS
}

// Empty is a response without fields.
type Empty struct{}

// Version is the version of the service.
type Version struct {
	Release      string `json:"release"`
	Golang       string `json:"golang"`
	Compiler     string `json:"compiler"`
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
}

// Status is the status of the service.
type Status struct {
	Status            string       `json:"status"`             // "ok"; "warning": the view of the directory is not current, or a push server cannot be asked
	PushFunctionality string       `json:"push_functionality"` // "enabled" or "disabled"
	PushServers       []PushServer `json:"push_servers"`
	Directory         *Directory   `json:"directory,omitempty"` // not in AMS
}

// PushServer is a push server.
type PushServer struct {
	Endpoint string `json:"endpoint"`
	Status   string `json:"status"` // "SERVING"
}

// Directory says how current a replica's view of the directory is.
type Directory struct {
	Current bool      `json:"current"`        // the replica follows the store
	AsOf    time.Time `json:"as_of,omitzero"` // when the view was last known to be current
}

// Permissions is what a user would get on connecting to NATS: the output of "usher explain
// --json". Not in AMS.
type Permissions = json.RawMessage
