package wire

import "time"

// ProfileUser is a name that no user can have: GET users/profile is something else.
const ProfileUser = "profile"

// User is a user, or a member of a project. Of a member only what concerns that
// project is shown: ServiceRoles is empty, and who made it is not told.
type User struct {
	UUID            string        `json:"uuid"`
	Name            string        `json:"name"`
	Projects        []UserProject `json:"projects"` // sorted by name
	FirstName       string        `json:"first_name,omitempty"`
	LastName        string        `json:"last_name,omitempty"`
	Organization    string        `json:"organization,omitempty"`
	Description     string        `json:"description,omitempty"`
	Email           string        `json:"email"`
	ServiceRoles    []string      `json:"service_roles"`
	Enabled         bool          `json:"enabled"`                    // beyond AMS
	ConnectionTypes []string      `json:"connection_types,omitempty"` // beyond AMS: how it may connect to NATS; none: in any way but as a leaf node
	CreatedOn       time.Time     `json:"created_on,omitzero"`
	ModifiedOn      time.Time     `json:"modified_on,omitzero"`
	CreatedBy       string        `json:"created_by,omitempty"` // name of a user
}

// UserProject is what a user is in one project.
type UserProject struct {
	Project       string   `json:"project"`
	Roles         []string `json:"roles"`
	Topics        []string `json:"topics"`        // names of those whose ACL names the user; not read from a request
	Subscriptions []string `json:"subscriptions"` // likewise
}

// UserCreated is a user that was just made, or that has just got a new key. It is
// the only time that the key is shown.
type UserCreated struct {
	User
	Token string `json:"token"` // the key
	Key   string `json:"key"`   // its name; beyond AMS

	ExpiresOn time.Time `json:"expires_on,omitzero"` // when the key ends; absent: it does not. Beyond AMS
}

// UserInput makes or changes a user. What is left out stays as it is; an empty
// text or list clears.
type UserInput struct {
	Name            *string        `json:"name,omitempty"` // of a change: the new name
	Projects        []ProjectRoles `json:"projects,omitzero"`
	FirstName       *string        `json:"first_name,omitempty"`
	LastName        *string        `json:"last_name,omitempty"`
	Organization    *string        `json:"organization,omitempty"`
	Description     *string        `json:"description,omitempty"`
	Email           *string        `json:"email,omitempty"`
	ServiceRoles    []string       `json:"service_roles,omitzero"`
	Enabled         *bool          `json:"enabled,omitempty"`         // beyond AMS
	ConnectionTypes []string       `json:"connection_types,omitzero"` // beyond AMS
}

// ProjectRoles is what a user is to be in a project; also the body of
// members/{user}:add, where the project may be left out.
type ProjectRoles struct {
	Project string   `json:"project,omitempty"`
	Roles   []string `json:"roles"`
}

// UserList is one page of users or members, newest first.
type UserList struct {
	Users         []User `json:"users"`
	NextPageToken string `json:"nextPageToken"` // empty: there are no more
	TotalSize     int    `json:"totalSize"`     // on all pages
}
