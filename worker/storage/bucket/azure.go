package bucket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azure "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"gocloud.dev/blob"
	"gocloud.dev/blob/azureblob"
)

// Azure opens containers of Azure Blob Storage in the account of AZURE_STORAGE_ACCOUNT, by AZURE_STORAGE_KEY,
// AZURE_STORAGE_SAS_TOKEN, AZURE_STORAGE_CONNECTION_STRING, or the machine's or pod's own identity.
// AZURE_STORAGE_DOMAIN, _PROTOCOL and _IS_LOCAL_EMULATOR lead elsewhere.
func Azure(log *slog.Logger) *Opener {
	return opener(cloud{
		name: "Azure", credentials: "AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY, or the pod's identity",
		open: openAzure, fault: azureFault, said: azureSaid, version: azureVersion, pin: azurePin,
	}, log)
}

func openAzure(ctx context.Context, name string, _ bool) (*blob.Bucket, error) {
	account := azureblob.NewDefaultServiceURLOptions()
	if account.AccountName == "" {
		return nil, fmt.Errorf("open azblob://%s/: no storage account is named: set AZURE_STORAGE_ACCOUNT", name)
	}
	service, err := azureblob.NewServiceURL(account)
	if err != nil {
		return nil, fmt.Errorf("open azblob://%s/: %w", name, err)
	}
	client, err := azureblob.NewDefaultClient(service, azureblob.ContainerName(name))
	if err != nil {
		return nil, fmt.Errorf("open azblob://%s/: credentials of Azure: %w", name, err)
	}
	bucket, err := azureblob.OpenBucket(ctx, client, nil)
	if err != nil {
		return nil, fmt.Errorf("open azblob://%s/: %w", name, err)
	}
	return bucket, nil
}

func azureFault(err error) Fault {
	e := (*azcore.ResponseError)(nil)
	switch {
	case !errors.As(err, &e):
		return Other
	case e.ErrorCode == string(bloberror.ContainerNotFound):
		return NoBucket
	case e.StatusCode == http.StatusUnauthorized, e.StatusCode == http.StatusForbidden:
		return Forbidden
	case e.StatusCode == http.StatusPreconditionFailed:
		return Changed
	}
	return Other
}

func azureSaid(err error) string {
	if e := (*azcore.ResponseError)(nil); errors.As(err, &e) {
		return fmt.Sprintf("%d: %s", e.StatusCode, e.ErrorCode)
	}
	return ""
}

func azureVersion(as func(any) bool) string {
	var r azure.DownloadStreamResponse
	if !as(&r) || r.ETag == nil {
		return ""
	}
	return string(*r.ETag)
}

func azurePin(as func(any) bool, version string) {
	var o *azure.DownloadStreamOptions
	if as(&o) {
		tag := azcore.ETag(version)
		o.AccessConditions = &azure.AccessConditions{
			ModifiedAccessConditions: &azure.ModifiedAccessConditions{IfMatch: &tag},
		}
	}
}
