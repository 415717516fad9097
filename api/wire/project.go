package wire

import "time"

// Project is a project.
type Project struct {
	Name        string    `json:"name"`
	Account     string    `json:"account"` // the NATS account that the project is in; not in AMS
	CreatedOn   time.Time `json:"created_on,omitzero"`
	ModifiedOn  time.Time `json:"modified_on,omitzero"`
	CreatedBy   string    `json:"created_by,omitempty"`
	Description string    `json:"description"`
}

// ProjectInput creates or changes a project. Fields that are not set stay as they are.
type ProjectInput struct {
	Name        *string `json:"name,omitempty"`    // the new name, in a change
	Account     *string `json:"account,omitempty"` // only a service_admin may set it; not in AMS
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
	Subject   string    `json:"subject"` // the NATS subject of the topic; not in AMS
	CreatedOn time.Time `json:"created_on,omitzero"`
}

// TopicInput creates a topic. The body is optional; AMS takes none.
type TopicInput struct {
	Subject string `json:"subject,omitempty"` // empty: PROJECT.TOPIC
}

// TopicList is one page of topics, newest first.
type TopicList struct {
	Topics        []Topic `json:"topics"`
	NextPageToken string  `json:"nextPageToken"`
	TotalSize     int     `json:"totalSize"`
}

// ACL lists the users who may publish to a topic or consume a subscription. A new list
// replaces the old one.
type ACL struct {
	AuthorizedUsers []string `json:"authorized_users"`
}
