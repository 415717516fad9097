// Package apierror holds the errors that the management API answers with: HTTP
// status, status name, message and details. Messages and statuses are those of the
// Argo Messaging Service (AMS) where AMS has the case.
//
// It promises that From maps every error of a handler to one of Statuses. A response
// never contains a cause: causes are for the log and the audit. A message never
// contains a name from a request that may hold a secret (SafeName).
//
// It imports directory and directory/kv for their errors, and no other package of the API.
package apierror
