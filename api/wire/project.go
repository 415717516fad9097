package wire

import "time"

// Project is a project.
type Project struct {
	Name        string    `json:"name"`
	Account     string    `json:"account"` // the NATS account its subjects are in; beyond AMS
	CreatedOn   time.Time `json:"created_on,omitzero"`
	ModifiedOn  time.Time `json:"modified_on,omitzero"`
	CreatedBy   string    `json:"created_by,omitempty"`
	Description string    `json:"description"`
}

// ProjectInput makes or changes a project. What is left out stays as it is.
type ProjectInput struct {
	Name        *string `json:"name,omitempty"`    // of a change: the new name
	Account     *string `json:"account,omitempty"` // beyond AMS; only a service_admin may state it
	Description *string `json:"description,omitempty"`
}

// ProjectList is one page of projects, newest first.
type ProjectList struct {
	Projects      []Project `json:"projects"`
	NextPageToken string    `json:"nextPageToken"`
	TotalSize     int       `json:"totalSize"`
}

// Topic is a topic.
type Topic struct {
	Name      string    `json:"name"`    // "/projects/P/topics/T"
	Subject   string    `json:"subject"` // the NATS subject it stands for; beyond AMS
	CreatedOn time.Time `json:"created_on,omitzero"`
}

// TopicInput makes a topic. AMS takes no body; there may be none.
type TopicInput struct {
	Subject string `json:"subject,omitempty"` // empty: P.T
}

// TopicList is one page of topics, newest first.
type TopicList struct {
	Topics        []Topic `json:"topics"`
	NextPageToken string  `json:"nextPageToken"`
	TotalSize     int     `json:"totalSize"`
}

// ACL is who may publish to a topic or consume a subscription. A new list takes
// the place of the old one.
type ACL struct {
	AuthorizedUsers []string `json:"authorized_users"`
}
