// A square to draw in with a pointer: white strokes on black, handed over as a PNG when the pointer lifts.

export default function (component) {
  const { parentElement, setStateValue, data } = component
  const sheet = parentElement.querySelector(".sheet")
  const clear = parentElement.querySelector(".clear")
  const pen = sheet.getContext("2d")
  if (!sheet.dataset.ready) {
    sheet.dataset.ready = "1"
    pen.fillStyle = "#000"
    pen.fillRect(0, 0, sheet.width, sheet.height)
    if (data?.image) {
      const image = new Image()
      image.onload = () => pen.drawImage(image, 0, 0, sheet.width, sheet.height)
      image.src = data.image
    }
  }
  let last = null
  const place = (event) => {
    const box = sheet.getBoundingClientRect()
    return [((event.clientX - box.left) / box.width) * sheet.width, ((event.clientY - box.top) / box.height) * sheet.height]
  }
  const stroke = (from, to) => {
    pen.strokeStyle = "#fff"; pen.lineWidth = 26; pen.lineCap = pen.lineJoin = "round"
    pen.beginPath(); pen.moveTo(...from); pen.lineTo(to[0] + 0.01, to[1]); pen.stroke()
  }
  sheet.onpointerdown = (event) => {
    sheet.setPointerCapture(event.pointerId)
    last = place(event)
    stroke(last, last)
  }
  sheet.onpointermove = (event) => {
    if (!last) return
    const to = place(event)
    stroke(last, to)
    last = to
  }
  sheet.onpointerup = sheet.onpointercancel = () => {
    if (last) setStateValue("image", sheet.toDataURL("image/png"))
    last = null
  }
  clear.onclick = () => {
    pen.fillStyle = "#000"
    pen.fillRect(0, 0, sheet.width, sheet.height)
    setStateValue("image", null)
  }
}
