# The server of facetell. FACETELL_TOKEN must be set; docs/serving.md has the rest.
FROM python:3.11-slim

COPY . /source
RUN python -m pip install --no-cache-dir --constraint /source/constraints.txt "/source[serve]" && rm -r /source

RUN useradd --create-home --uid 1000 facetell && install -d -o facetell /data
USER facetell
VOLUME /data
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz')"]
ENTRYPOINT ["facetell"]
CMD ["serve", "--host", "0.0.0.0", "--data", "/data"]
