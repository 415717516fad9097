package wire

import (
	"encoding/json"
	"time"
)

// Session is one live connection that usher has granted. AMS has none of the types in this
// file.
type Session struct {
	ID         string   `json:"id"` // SERVER:CLIENT
	User       string   `json:"user"`
	Authority  string   `json:"authority,omitempty"` // who vouches for the user
	IdentityID string   `json:"identity_id,omitempty"`
	Method     string   `json:"method,omitempty"` // how the credential was verified
	Key        string   `json:"key,omitempty"`    // its name
	Rules      []string `json:"rules,omitempty"`  // of identities that matched
	Profile    string   `json:"profile,omitempty"`
	Account    string   `json:"account"`
	Projects   []string `json:"projects"` // whose roles are in the grant

	Server        string    `json:"server"` // its public nkey
	ServerName    string    `json:"server_name"`
	ClientHost    string    `json:"client_host,omitempty"`
	ClientName    string    `json:"client_name,omitempty"`
	ClientType    string    `json:"client_type,omitempty"` // nats, websocket, mqtt or leafnode
	ClientVersion string    `json:"client_version,omitempty"`
	StartedOn     time.Time `json:"started_on"`
	ExpiresOn     time.Time `json:"expires_on,omitzero"` // of the user JWT, or of the key if that is sooner now; absent: the session has no end
	RequestID     string    `json:"request_id,omitempty"`

	// OtherGrants: the grant also holds for what is outside of the project, and the caller
	// is only an administrator of the project. Such a session shows less, and the caller
	// cannot close it.
	OtherGrants bool `json:"other_grants,omitempty"`
	// Adopted: a server has the connection, and no usher knows why it was granted.
	Adopted bool `json:"adopted,omitempty"`

	Details *SessionDetails `json:"details,omitempty"` // absent: not asked for, or its server did not answer
}

// SessionDetails are what the server of a session knows about it now.
type SessionDetails struct {
	Idle              string   `json:"idle"` // a duration, such as "1m30s"
	RTT               string   `json:"rtt,omitempty"`
	MessagesIn        int      `json:"messages_in"` // from the client
	MessagesOut       int      `json:"messages_out"`
	BytesIn           int      `json:"bytes_in"`
	BytesOut          int      `json:"bytes_out"`
	Subscriptions     []string `json:"subscriptions,omitempty"` // their subjects
	SubscriptionCount int      `json:"subscription_count"`
}

// SessionList is one page of live sessions, newest first.
type SessionList struct {
	Sessions      []Session `json:"sessions"`
	NextPageToken string    `json:"nextPageToken"`
	TotalSize     int       `json:"totalSize"`
	// Unconfirmed: why the servers cannot be asked. Then sessions that have ended may still
	// be listed, and connections that no usher has granted are missing.
	Unconfirmed string `json:"unconfirmed,omitempty"`
}

// SessionExplained is a session with the reasons for its grant: as it was, and as it would
// be now. Was and Now are as the output of "usher explain --json".
type SessionExplained struct {
	Session
	Was    json.RawMessage `json:"was,omitempty"`    // absent for a session with other_grants
	Now    json.RawMessage `json:"now,omitempty"`    // also absent if the grant would hold for something else now
	Lost   string          `json:"lost,omitempty"`   // something that the grant had and would not have now
	Gained string          `json:"gained,omitempty"` // something that the grant would have now
}

// SessionFilter selects live sessions. Fields that are not set select all; a session has to
// match every field that is set.
type SessionFilter struct {
	IDs        []string `json:"ids,omitempty"`
	User       string   `json:"user,omitempty"`
	Project    string   `json:"project,omitempty"` // whose roles are in the grant
	Key        string   `json:"key,omitempty"`     // name of the key
	Method     string   `json:"method,omitempty"`
	Account    string   `json:"account,omitempty"`
	Server     string   `json:"server,omitempty"`      // name or public nkey
	From       string   `json:"from,omitempty"`        // address or network (CIDR) of the client
	Since      string   `json:"since,omitempty"`       // connected since then: a time, or a duration such as "1h" ago
	EndsWithin string   `json:"ends_within,omitempty"` // they end by then: a time, or a duration such as "1h" from now
	Subject    string   `json:"subject,omitempty"`     // the client may publish or subscribe to something that it matches
}

// SessionKick says which sessions are closed. One field of the filter, or All, has to be set.
type SessionKick struct {
	SessionFilter
	All      bool   `json:"all,omitempty"`
	Reason   string `json:"reason"`
	DryRun   bool   `json:"dry_run,omitempty"`  // only counts
	Expected *int   `json:"expected,omitempty"` // closes nothing if another number of sessions matches
	Rate     int    `json:"rate,omitempty"`     // sessions that are closed in a second; 0: 500
}

// KickLine is one line of the response to a kick: one JSON object. Lines report the
// progress; the last one has a Result or an Error.
type KickLine struct {
	Done   int         `json:"done,omitempty"`
	Total  int         `json:"total,omitempty"`
	Result *KickResult `json:"result,omitempty"`
	Error  *ErrorBody  `json:"error,omitempty"`
}

// KickResult is what a kick has done.
type KickResult struct {
	DryRun      bool        `json:"dry_run"`
	Sessions    int         `json:"sessions"`     // that match, and that the caller may close
	Closed      int         `json:"closed"`       // their servers have said that they are gone
	NotTried    int         `json:"not_tried"`    // the request ended before
	OtherGrants int         `json:"other_grants"` // that match, and that only a service_admin may close
	NotClosed   []NotClosed `json:"not_closed"`   // at most 1000 of them
}

// NotClosed is a session that could not be closed.
type NotClosed struct {
	ID    string `json:"id"`
	User  string `json:"user,omitempty"`
	Cause string `json:"cause"`
}

// OAuthError is the error of a request of an identity provider (RFC 6749 section 5.2).
type OAuthError struct {
	Error       string `json:"error"` // such as invalid_request
	Description string `json:"error_description,omitempty"`
}
