"""Words that the settings of several sources share. A variable whose name ends with `_url` is an
address of a source: config checks it for all of them."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

# A source is read again after so many seconds.
RefreshSeconds = Annotated[int, Field(ge=60, le=86_400)]
# A shorter one would be found in answers that do not repeat it.
Key = Annotated[SecretStr, Field(min_length=8)]
BaseUrl = Annotated[str, AfterValidator(lambda url: url.rstrip("/"))]
HOUR = 3600
