import httpx


async def build_agent(run, model, history):
    async with httpx.AsyncClient() as client:
        page = await client.get("https://example.com/")
    yield f"The page has {len(page.text)} characters. "
    yield "That is all."
