package wire

import "time"

// DefaultAckDeadline is the ack deadline of a subscription that sets none, in seconds.
const DefaultAckDeadline = 10

// Subscription is a subscription.
type Subscription struct {
	Name               string     `json:"name"`  // "/projects/P/subscriptions/S"
	Topic              string     `json:"topic"` // "/projects/P/topics/T"
	PushConfig         PushConfig `json:"pushConfig"`
	AckDeadlineSeconds int        `json:"ackDeadlineSeconds"`
	PushStatus         string     `json:"pushStatus,omitempty"` // how pushes go, in the words of AMS
	PushState          *PushState `json:"pushState,omitempty"`  // the same for programs; absent: not known; not in AMS
	CreatedOn          time.Time  `json:"createdOn,omitzero"`
}

// SubscriptionInput creates a subscription. The JSON of a Subscription is accepted too.
type SubscriptionInput struct {
	Topic              string     `json:"topic"` // "projects/P/topics/T"
	PushConfig         PushConfig `json:"pushConfig,omitzero"`
	AckDeadlineSeconds int        `json:"ackDeadlineSeconds,omitempty"` // 0: DefaultAckDeadline
}

// ModifyPushConfig replaces a push configuration. An empty PushConfig ends pushes.
type ModifyPushConfig struct {
	PushConfig *PushConfig `json:"pushConfig"`
}

// PushConfig says where messages are pushed. A request cannot set VerificationHash, Verified
// and the value of the header.
type PushConfig struct {
	Type                string              `json:"type"` // "http_endpoint" or "mattermost"; empty: no push
	PushEndpoint        string              `json:"pushEndpoint"`
	MaxMessages         int                 `json:"maxMessages"`
	AuthorizationHeader AuthorizationHeader `json:"authorizationHeader"`
	RetryPolicy         RetryPolicy         `json:"retryPolicy"`
	VerificationHash    string              `json:"verificationHash"`
	Verified            bool                `json:"verified"`
	MattermostURL       string              `json:"mattermostUrl"`
	MattermostUsername  string              `json:"mattermostUsername"`
	MattermostChannel   string              `json:"mattermostChannel"`
	Base64Decode        bool                `json:"base64Decode"`
}

// AuthorizationHeader is the header by which an endpoint knows who pushes. Its values are
// secret: only those who may see them get them.
type AuthorizationHeader struct {
	Type          string    `json:"type,omitempty"` // "autogen" or "disabled"
	Value         string    `json:"value,omitempty"`
	PreviousValue string    `json:"previousValue,omitempty"` // until PreviousUntil, after a rotation
	PreviousUntil time.Time `json:"previousUntil,omitzero"`
}

// RetryPolicy says when a push is retried.
type RetryPolicy struct {
	Type   string `json:"type,omitempty"`   // "linear" or "slowstart"
	Period *int   `json:"period,omitempty"` // milliseconds, for linear; 0 for slowstart
}

// PushState is how the pushes of a subscription go. Push servers of AMS (push.servers) do not
// count. Not in AMS.
type PushState struct {
	Status      string    `json:"status"`           // "active"; "retrying": the last push failed; "blocked": the worker cannot read the messages or open the header; "unverified"; "inactive": nobody pushes
	Worker      string    `json:"worker,omitempty"` // the process that pushes
	Since       time.Time `json:"since,omitzero"`   // it is active, retrying or blocked
	Delivered   uint64    `json:"delivered"`        // messages that the endpoint has taken from this worker since then
	Failures    int       `json:"failures"`         // attempts that failed one after the other
	LastError   string    `json:"lastError,omitempty"`
	LastSuccess time.Time `json:"lastSuccess,omitzero"`
	NextAttempt time.Time `json:"nextAttempt,omitzero"`
	DeadLetters uint64    `json:"deadLetters,omitempty"` // messages that this worker has given up
}

// PushWorkers are the processes that push, sorted: each usher push, each usher serve with
// push.inside, or each of push.servers. Not in AMS.
type PushWorkers struct {
	Workers []string `json:"workers"`
}

// SubscriptionList is one page of subscriptions, newest first.
type SubscriptionList struct {
	Subscriptions []Subscription `json:"subscriptions"`
	NextPageToken string         `json:"nextPageToken"`
	TotalSize     int            `json:"totalSize"`
}

// SubscriptionNames lists the subscriptions of a topic by their full names, sorted.
type SubscriptionNames struct {
	Subscriptions []string `json:"subscriptions"`
}

// The message of an endpoint whose verification fails is VerificationFailed and one of these.
const (
	VerificationFailed = "Endpoint verification failed."

	VerificationWrongStatus = "Wrong response status code"   // as in AMS
	VerificationWrongHash   = "Wrong verification hash"      // as in AMS
	VerificationRefused     = "The address is not allowed"   // by push.ports, push.allow_networks or push.allow_http
	VerificationAsking      = "The endpoint cannot be asked" // it is not reached, or does not answer
)
